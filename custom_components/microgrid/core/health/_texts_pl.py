"""What rules are called and what to do about a finding, in Polish."""

from __future__ import annotations

NAMES_PL: dict[str, str] = {
    "above_charge_voltage_limit": "Napięcie powyżej limitu ładowania",
    "battery_charge_low": "Bateria prawie pusta",
    "battery_charge_not_conserved": "Stan naładowania nie zgadza się z prądem",
    "battery_clock": "Zegar baterii nieprawidłowy",
    "battery_cold": "Bateria zimna",
    "battery_gone": "Bateria zniknęła z magistrali",
    "battery_hot": "Bateria gorąca",
    "battery_intervals_failed": "Nieudane przedziały harmonogramu",
    "battery_not_following": "Bateria nie wykonuje harmonogramu",
    "battery_silent": "Bateria milczy",
    "battery_temperature_high": "Wysoka temperatura baterii",
    "battery_values_stand_still": "Odczyty baterii stoją w miejscu",
    "below_discharge_voltage_limit": "Napięcie poniżej limitu rozładowania",
    "bms_connection_lost_alarm": "Utracone połączenie z BMS",
    "can_error_rate": "Dużo błędów CAN",
    "can_errors_drift": "Błędów CAN przybywa",
    "can_state": "Zakłócenia magistrali CAN",
    "can_stops": "Magistrala CAN przerwana",
    "cell_imbalance_alarm": "Alarm nierównowagi ogniw",
    "cell_spread_drifts": "Ogniwa się rozchodzą",
    "cell_spread_high": "Duża różnica napięć ogniw",
    "cell_temperature_high": "Wysoka temperatura ogniwa",
    "cell_temperature_low": "Niska temperatura ogniwa",
    "cell_voltage_low": "Niskie napięcie ogniwa",
    "charge_at_limit": "Bateria na dolnej granicy",
    "charge_blocked_alarm": "Ładowanie lub rozładowanie zablokowane",
    "charge_critical": "Krytyczny stan naładowania",
    "charge_limit_zero": "Bateria nie pozwala na ładowanie",
    "charge_low": "Niski stan naładowania",
    "charge_not_conserved": "Stan naładowania nie zgadza się z prądem",
    "charging_disabled": "Ładowanie wyłączone przez system",
    "contactor_chatters": "Stycznik stuka",
    "current_above_limit": "Prąd powyżej limitu baterii",
    "data_partition": "Pamięć GX pełna lub uszkodzona",
    "device_alarm": "Alarm urządzenia",
    "device_error": "Błąd urządzenia",
    "discharge_limit_zero": "Bateria nie pozwala na rozładowanie",
    "discharging_disabled": "Rozładowanie wyłączone przez system",
    "efficiency_drifts": "Falownik traci sprawność",
    "firmware_update_available": "Dostępne nowe oprogramowanie",
    "gateway_can_errors": "Dużo błędów CAN w bramce",
    "gateway_can_load": "Magistrala CAN przeciążona",
    "gateway_can_off": "Magistrala CAN bramki wyłączona",
    "gateway_clock": "Zegar bramki niedokładny",
    "gateway_silent": "Bramka milczy",
    "gateway_wifi_weak": "Słabe Wi-Fi bramki",
    "grid_frequency": "Nieprawidłowa częstotliwość sieci",
    "grid_input_lost": "Brak sieci",
    "grid_lost_alarm": "Brak sieci (alarm)",
    "grid_losses": "Sieć wciąż zanika",
    "health_falls_fast": "Bateria szybko się starzeje",
    "health_low": "Niska kondycja baterii",
    "heat_pump_fan": "Wentylator pompy ciepła stoi",
    "heat_pump_flow": "Za mały przepływ wody",
    "heat_pump_short_cycles": "Pompa ciepła uruchamia się za często",
    "heat_pump_silent": "Pompa ciepła milczy",
    "house_battery_cold": "Bateria domu zimna",
    "house_battery_health": "Bateria domu zużyta",
    "house_battery_hot": "Bateria domu gorąca",
    "house_can_errors": "Dużo błędów CAN w domu",
    "house_card_errors": "Karta pamięci zawodzi",
    "house_cell_spread": "Duża różnica napięć ogniw",
    "house_charge_low": "Bateria domu prawie pusta",
    "house_charge_not_conserved": "Stan naładowania nie zgadza się z prądem",
    "house_clock": "Zegar domu niedokładny",
    "house_fan": "Falownik nie jest chłodzony",
    "house_silent": "Dom milczy",
    "house_solar_efficiency": "Niska sprawność ładowarki słonecznej",
    "house_values_stand_still": "Odczyty baterii stoją w miejscu",
    "mean_cell_voltage_high": "Wysokie średnie napięcie ogniw",
    "modules_blocking": "Moduły blokują ładowanie lub rozładowanie",
    "modules_offline": "Moduły baterii odłączone",
    "mpp_battery_voltage_low": "Napięcie baterii poniżej progu odcięcia",
    "mpp_fan": "Falownik nie jest chłodzony",
    "mpp_fault": "Usterka falownika",
    "mpp_hot": "Falownik gorący",
    "mpp_mains_voltage": "Nieprawidłowe napięcie sieci",
    "mpp_overload": "Falownik przeciążony",
    "mpp_poll_errors": "Zakłócenia łącza szeregowego",
    "mpp_silent": "Falownik milczy",
    "node_restarts": "Węzeł wciąż się restartuje",
    "outbox_grows": "Skrzynka nadawcza węzła rośnie",
    "overvoltage_alarm": "Alarm przepięcia",
    "refrigerant_drifts": "Możliwy ubytek czynnika chłodniczego",
    "station_silent": "GX milczy",
    "temperature_drifts": "Bateria cieplejsza niż dawniej",
    "values_stand_still": "Odczyty baterii stoją w miejscu",
    "voltages_differ": "Spadek napięcia między baterią a falownikiem",
    "vrm_buffer_grows": "Zapisy dla VRM się gromadzą",
    "vrm_connection_error": "Błąd połączenia z VRM",
    "vrm_contact_old": "Brak kontaktu z VRM",
}

ADVICE_PL: dict[str, str] = {
    "battery_ages": ("Porównaj z gwarancją baterii. Jeśli możesz, obniż limit ładowania i temperaturę."),
    "battery_cold": (
        "Nie ładuj poniżej 0 °C. Ogrzej pomieszczenie albo pozwól baterii ogrzać się przed ładowaniem."
    ),
    "battery_hot": (
        "Sprawdź wentylację i zmniejsz prąd. Jeśli ogniwa się różnią, poszukaj luźnego połączenia."
    ),
    "battery_worn": "Pojemność jest mała: zaplanuj wymianę i porównaj z gwarancją.",
    "blocked": (
        "Zobacz alarmy baterii: może być za zimna, za ciepła, niezrównoważona albo czekać na polecenie."
    ),
    "bms_connection": (
        "Sprawdź zasilanie, kabel i terminatory komunikacji baterii, potem uruchom BMS ponownie."
    ),
    "can_bus": (
        "Sprawdź wtyczki, oba terminatory (120 Ω) i prędkość; poszukaj kabla obok przewodów falownika."
    ),
    "can_load": "Za dużo na magistrali: sprawdź prędkość albo podziel klaster.",
    "card": "Karta pamięci zawodzi: wymień ją na kartę o podwyższonej trwałości.",
    "cell_spread": (
        "Pozwól baterii równoważyć się kilka godzin przy pełnym naładowaniu; jeśli to nie pomoże, "
        "zleć pomiar ogniw."
    ),
    "charge_at_limit": ("Bateria osiągnęła dolną granicę i czeka na słońce lub sieć. Nic nie jest zepsute."),
    "charge_not_conserved": (
        "Stan naładowania skacze: naładuj raz do 100 %, sprawdź ustawienia pojemności i bocznika."
    ),
    "charge_soon": "Wyłącz to, co może poczekać, albo ładuj z sieci lub agregatu.",
    "clock": "Sprawdź źródło czasu i magistralę; do tego czasu czasy tego węzła są nieporównywalne.",
    "contactor": ("Stycznik otwiera i zamyka się za często: sprawdź synchronizację i obciążenie klastra."),
    "data_partition": (
        "Usuń dzienniki albo wyłącz to, co zapisuje na GX; przy błędzie zrób kopię i zainstaluj ponownie."
    ),
    "dc_wiring": (
        "Zmierz pod obciążeniem od baterii do falownika: szukaj luźnej śruby, bezpiecznika lub cienkiego "
        "kabla."
    ),
    "device_alarm": "Zobacz wymienione urządzenie i jego instrukcję.",
    "device_error": "Sprawdź kod błędu w instrukcji urządzenia.",
    "efficiency": "Sprawdź wentylatory, filtry i połączenia DC falownika.",
    "fan": "Wentylator stoi lub jest zatkany: wyczyść go, sprawdź wtyczkę, wymień.",
    "firmware_update": "Przeczytaj opis wydania i zaktualizuj, gdy ktoś jest na miejscu.",
    "grid_frequency": ("Sieć odbiega od swojej częstotliwości. Jeśli to agregat, ustaw jego typ w GX."),
    "grid_lost": "Sprawdź bezpieczniki i licznik; tymczasem odbiorniki zasila bateria.",
    "grid_unstable": "Zapytaj operatora sieci i sprawdź ustawienia zabezpieczeń sieciowych.",
    "inverter_hot": "Zmniejsz obciążenie i zapewnij falownikowi powietrze.",
    "mains_voltage": (
        "Napięcie sieci wykracza poza ±10 %: zapytaj operatora sieci i sprawdź przewód neutralny."
    ),
    "modules": "Zobacz kontrolki modułów, potem ich kable komunikacyjne i wyłączniki.",
    "node_silent": "Sprawdź zasilanie i sieć; to, co zmierzył, pozostaje na jego karcie.",
    "not_following": ("Zobacz przyczynę w potwierdzeniach harmonogramu, sprawdź limity i łącze szeregowe."),
    "outbox": "Nikt nie potwierdza tego, co wysyła: sprawdź brokera i Home Assistant.",
    "overcurrent": "Zmniejsz obciążenie lub limit ładowania falownika: bateria pozwala na mniej.",
    "overload": "Wyłącz duże odbiorniki.",
    "overvoltage": (
        "Przerwij ładowanie. Porównaj ustawione napięcie ładowania z tym, na które pozwala bateria."
    ),
    "refrigerant": ("Zleć serwisantowi sprawdzenie ilości czynnika; to wskazówka, nie pomiar."),
    "restarts": "Sprawdź zasilanie; jeśli to się powtarza, wyślij dziennik węzła.",
    "serial_line": "Sprawdź kabel i adapter między Pi a falownikiem.",
    "short_cycles": (
        "Obniż temperaturę zasilania lub zwiększ histerezę; sprawdź przepływ, bufor i zamknięte zawory."
    ),
    "solar_charger": "Porównaj z sąsiadami; sprawdź wtyczki i wentylator ładowarki słonecznej.",
    "station_silent": "Sprawdź zasilanie i sieć GX; może się restartować po aktualizacji.",
    "undervoltage": "Przerwij rozładowanie i ładuj małym prądem.",
    "values_stand_still": "Monitor baterii się zawiesił: uruchom go ponownie, potem sprawdź jego kabel.",
    "vrm": "Sprawdź połączenie GX z internetem; dane lokalne nie są zagrożone.",
    "water_flow": "Za mało wody: wyczyść filtr, otwórz zawory, sprawdź i odpowietrz pompę.",
    "wifi": "Przestaw antenę lub punkt dostępowy.",
}
