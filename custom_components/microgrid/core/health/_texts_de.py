"""What rules are called and what to do about a finding, in German."""

from __future__ import annotations

NAMES_DE: dict[str, str] = {
    "above_charge_voltage_limit": "Spannung über der Ladegrenze",
    "battery_charge_low": "Batterie fast leer",
    "battery_charge_not_conserved": "Ladezustand passt nicht zum Strom",
    "battery_clock": "Uhr der Batterie nicht gültig",
    "battery_cold": "Batterie kalt",
    "battery_gone": "Batterie hat den Bus verlassen",
    "battery_hot": "Batterie heiß",
    "battery_intervals_failed": "Intervalle des Fahrplans gescheitert",
    "battery_not_following": "Batterie folgt ihrem Fahrplan nicht",
    "battery_silent": "Batterie meldet sich nicht",
    "battery_temperature_high": "Batterietemperatur hoch",
    "battery_values_stand_still": "Messwerte der Batterie stehen still",
    "below_discharge_voltage_limit": "Spannung unter der Entladegrenze",
    "bms_connection_lost_alarm": "Verbindung zum BMS verloren",
    "can_error_rate": "Viele CAN-Fehler",
    "can_errors_drift": "CAN-Fehler werden mehr",
    "can_state": "CAN-Bus gestört",
    "can_stops": "CAN-Bus unterbrochen",
    "cell_imbalance_alarm": "Alarm: Zellen ungleich",
    "cell_spread_drifts": "Zellen laufen auseinander",
    "cell_spread_high": "Zellspannungen weit auseinander",
    "cell_temperature_high": "Zelltemperatur hoch",
    "cell_temperature_low": "Zelltemperatur niedrig",
    "cell_voltage_low": "Zellspannung niedrig",
    "charge_at_limit": "Batterie an ihrer unteren Grenze",
    "charge_blocked_alarm": "Laden oder Entladen gesperrt",
    "charge_critical": "Ladezustand kritisch",
    "charge_limit_zero": "Batterie erlaubt kein Laden",
    "charge_low": "Ladezustand niedrig",
    "charge_not_conserved": "Ladezustand passt nicht zum Strom",
    "charging_disabled": "Laden vom System gesperrt",
    "contactor_chatters": "Schütz klappert",
    "current_above_limit": "Strom über der Grenze der Batterie",
    "data_partition": "Speicher des GX voll oder fehlerhaft",
    "device_alarm": "Alarm eines Gerätes",
    "device_error": "Fehler eines Gerätes",
    "discharge_limit_zero": "Batterie erlaubt kein Entladen",
    "discharging_disabled": "Entladen vom System gesperrt",
    "efficiency_drifts": "Wechselrichter verliert an Wirkungsgrad",
    "firmware_update_available": "Neue Firmware verfügbar",
    "gateway_can_errors": "Viele CAN-Fehler am Gateway",
    "gateway_can_load": "CAN-Bus überlastet",
    "gateway_can_off": "CAN-Bus des Gateways aus",
    "gateway_clock": "Uhr des Gateways ungenau",
    "gateway_silent": "Gateway meldet sich nicht",
    "gateway_wifi_weak": "WLAN des Gateways schwach",
    "grid_frequency": "Netzfrequenz weicht ab",
    "grid_input_lost": "Netz ausgefallen",
    "grid_lost_alarm": "Netz ausgefallen (Alarm)",
    "grid_losses": "Netz fällt immer wieder aus",
    "health_falls_fast": "Batterie altert schnell",
    "health_low": "Gesundheit der Batterie niedrig",
    "heat_pump_fan": "Lüfter der Wärmepumpe steht",
    "heat_pump_flow": "Zu wenig Wasserdurchfluss",
    "heat_pump_short_cycles": "Wärmepumpe startet zu oft",
    "heat_pump_silent": "Wärmepumpe meldet sich nicht",
    "house_battery_cold": "Hausbatterie kalt",
    "house_battery_health": "Hausbatterie verschlissen",
    "house_battery_hot": "Hausbatterie heiß",
    "house_can_errors": "Viele CAN-Fehler am Haus",
    "house_card_errors": "Speicherkarte fällt aus",
    "house_cell_spread": "Zellspannungen weit auseinander",
    "house_charge_low": "Hausbatterie fast leer",
    "house_charge_not_conserved": "Ladezustand passt nicht zum Strom",
    "house_clock": "Uhr des Hauses ungenau",
    "house_fan": "Wechselrichter nicht gekühlt",
    "house_silent": "Haus meldet sich nicht",
    "house_solar_efficiency": "Solarladeregler mit schlechtem Wirkungsgrad",
    "house_values_stand_still": "Messwerte der Batterie stehen still",
    "mean_cell_voltage_high": "Mittlere Zellspannung hoch",
    "modules_blocking": "Module sperren Laden oder Entladen",
    "modules_offline": "Batteriemodule fehlen",
    "mpp_battery_voltage_low": "Batteriespannung unter der Abschaltgrenze",
    "mpp_fan": "Wechselrichter nicht gekühlt",
    "mpp_fault": "Störung des Wechselrichters",
    "mpp_hot": "Wechselrichter heiß",
    "mpp_mains_voltage": "Netzspannung weicht ab",
    "mpp_overload": "Wechselrichter überlastet",
    "mpp_poll_errors": "Serielle Leitung gestört",
    "mpp_silent": "Wechselrichter meldet sich nicht",
    "node_restarts": "Knoten startet immer wieder neu",
    "outbox_grows": "Postausgang des Knotens wächst",
    "overvoltage_alarm": "Überspannungsalarm",
    "refrigerant_drifts": "Kältemittel geht vielleicht verloren",
    "station_silent": "GX meldet sich nicht",
    "temperature_drifts": "Batterie wird wärmer als früher",
    "values_stand_still": "Messwerte der Batterie stehen still",
    "voltages_differ": "Spannungsverlust zwischen Batterie und Wechselrichter",
    "vrm_buffer_grows": "Datensätze für VRM stauen sich",
    "vrm_connection_error": "Verbindungsfehler zu VRM",
    "vrm_contact_old": "Kein Kontakt zu VRM",
}

ADVICE_DE: dict[str, str] = {
    "battery_ages": (
        "Mit der Garantie der Batterie vergleichen. Wenn möglich Ladegrenze und Temperatur senken."
    ),
    "battery_cold": (
        "Unter 0 °C nicht laden. Den Raum heizen oder die Batterie sich vor dem Laden erwärmen lassen."
    ),
    "battery_hot": (
        "Belüftung prüfen und den Strom senken. Unterscheiden sich Zellen, nach einer losen Verbindung "
        "suchen."
    ),
    "battery_worn": "Die Kapazität ist niedrig: den Austausch planen und mit der Garantie vergleichen.",
    "blocked": (
        "Die Alarme der Batterie ansehen: Sie ist vielleicht zu kalt, zu warm, unausgeglichen oder wartet "
        "auf einen Befehl."
    ),
    "bms_connection": (
        "Versorgung, Kabel und Abschlusswiderstände der Batteriekommunikation prüfen; dann das BMS neu "
        "starten."
    ),
    "can_bus": (
        "Stecker, beide Abschlusswiderstände (120 Ω) und Bitrate prüfen; nach einem Kabel neben den "
        "Leitungen eines Wechselrichters suchen."
    ),
    "can_load": "Zu viel auf dem Bus: Bitrate prüfen oder den Cluster teilen.",
    "card": "Die Speicherkarte fällt aus: durch eine haltbare (High Endurance) ersetzen.",
    "cell_spread": (
        "Die Batterie einige Stunden voll geladen ausgleichen lassen; bleibt es, die Zellen messen lassen."
    ),
    "charge_at_limit": (
        "Die Batterie hat ihre untere Grenze erreicht und wartet auf Sonne oder Netz. Nichts ist defekt."
    ),
    "charge_not_conserved": (
        "Der Ladezustand springt: einmal auf 100 % laden, Einstellungen von Kapazität und Shunt prüfen."
    ),
    "charge_soon": "Abschalten, was warten kann, oder aus Netz oder Generator laden.",
    "clock": "Zeitquelle und Bus prüfen; bis dahin sind Zeiten dieses Knotens nicht vergleichbar.",
    "contactor": ("Das Schütz öffnet und schließt zu oft: Synchronisation und Last des Clusters prüfen."),
    "data_partition": (
        "Protokolle löschen oder abschalten, was auf den GX schreibt; bei einem Fehler sichern und neu "
        "installieren."
    ),
    "dc_wiring": (
        "Unter Last von der Batterie zum Wechselrichter messen: nach loser Schraube, Sicherung oder dünnem "
        "Kabel suchen."
    ),
    "device_alarm": "Das genannte Gerät und sein Handbuch ansehen.",
    "device_error": "Den Fehlercode im Handbuch des Gerätes nachschlagen.",
    "efficiency": "Lüfter, Filter und DC-Anschlüsse des Wechselrichters prüfen.",
    "fan": "Der Lüfter steht oder ist verstopft: reinigen, Stecker prüfen, ersetzen.",
    "firmware_update": "Die Versionshinweise lesen und aktualisieren, wenn jemand vor Ort ist.",
    "grid_frequency": (
        "Das Netz weicht von seiner Frequenz ab. Ist es ein Generator, seinen Typ im GX einstellen."
    ),
    "grid_lost": "Sicherungen und Zähler prüfen; die Batterie versorgt inzwischen die Lasten.",
    "grid_unstable": "Den Netzbetreiber fragen und die Einstellungen des Netzschutzes prüfen.",
    "inverter_hot": "Die Last senken und dem Wechselrichter Luft geben.",
    "mains_voltage": (
        "Die Netzspannung liegt außerhalb von ±10 %: den Netzbetreiber fragen und den Neutralleiter prüfen."
    ),
    "modules": "Die Lampen der Module ansehen, dann ihre Kommunikationskabel und Schalter.",
    "node_silent": ("Versorgung und Netzwerk prüfen; was er gemessen hat, bleibt auf seiner Karte."),
    "not_following": (
        "In den Rückmeldungen des Fahrplans nach dem Grund sehen, Grenzen und serielle Leitung prüfen."
    ),
    "outbox": "Niemand bestätigt, was er sendet: Broker und Home Assistant prüfen.",
    "overcurrent": "Last oder Ladegrenze des Wechselrichters senken: Die Batterie erlaubt weniger.",
    "overload": "Große Verbraucher abschalten.",
    "overvoltage": (
        "Laden beenden. Die eingestellte Ladespannung mit dem vergleichen, was die Batterie erlaubt."
    ),
    "refrigerant": (
        "Die Kältemittelfüllung von einer Fachkraft prüfen lassen; dies ist ein Hinweis, keine Messung."
    ),
    "restarts": "Die Versorgung prüfen; geht es weiter, das Protokoll des Knotens einsenden.",
    "serial_line": "Kabel und Adapter zwischen Pi und Wechselrichter prüfen.",
    "short_cycles": (
        "Vorlauftemperatur senken oder Hysterese vergrößern; Durchfluss, Puffer und geschlossene Ventile "
        "prüfen."
    ),
    "solar_charger": "Mit den Nachbarn vergleichen; Stecker und Lüfter des Solarladereglers prüfen.",
    "station_silent": (
        "Versorgung und Netzwerk des GX prüfen; vielleicht startet er nach einer Aktualisierung neu."
    ),
    "undervoltage": "Entladen beenden und mit kleinem Strom laden.",
    "values_stand_still": "Der Batteriemonitor hängt: neu starten, dann sein Kabel prüfen.",
    "vrm": "Die Internetverbindung des GX prüfen; örtliche Daten sind nicht betroffen.",
    "water_flow": "Zu wenig Wasser: Filter reinigen, Ventile öffnen, Pumpe prüfen und entlüften.",
    "wifi": "Antenne oder Zugangspunkt umsetzen.",
}
