"""The causes of faults in German: meaning and first checks, by the id of the cause."""

# ruff: noqa: E501 - texts stay on one line, so that a changed text is one changed line

from __future__ import annotations

CAUSES_DE: dict[str, tuple[str, tuple[str, ...]]] = {
    "F001.own_load_inrush": (
        "Ein Verbraucher im Haus selbst zog für einen Augenblick einen großen Strom, beim Anlaufen oder durch einen Kurzschluss",
        (
            "Feststellen, welches Gerät zu dieser Zeit eingeschaltet wurde.",
            "Große Motoren sanft oder nacheinander anlaufen lassen.",
            "Die Stromkreise des Hauses auf einen Kurzschluss prüfen.",
        ),
    ),
    "F001.bridge_fault": (
        "Die Endstufe des Wechselrichters zog den Strom selbst: weder das Haus noch ein Nachbar nahm ihn ab",
        ("Den Wechselrichter ausgeschaltet lassen.", "Leistungstransistoren und Treiber durchmessen lassen."),
    ),
    "F001.current_sensor": (
        "Der Stromsensor des Wechselrichters zeigte einen Strom, der nicht floss",
        ("Den Stecker des Stromwandlers prüfen.", "Die Anzeige mit einer Stromzange vergleichen."),
    ),
    "F001.neighbour_trip": (
        "Der Wechselrichter eines Nachbarn schaltete ab, und dessen Last fiel auf diesen",
        (
            "Feststellen, warum der Wechselrichter des Nachbarn abschaltete; dieser hier ist in Ordnung.",
            "Nachsehen, ob die übrigen Häuser die Last tragen können.",
        ),
    ),
    "F001.droop_mismatch": (
        "Ein Wechselrichter mit falscher Statik trieb Strom zwischen den Häusern im Kreis",
        (
            "Leerlauffrequenz und Statik des genannten Wechselrichters mit denen der Nachbarn vergleichen.",
            "Beide auf die Werte des Clusters setzen.",
        ),
    ),
    "F002.voltage_regulator": (
        "Die eigene Spannungsregelung des Wechselrichters lief davon",
        ("Den Wechselrichter ausgeschaltet lassen.", "Spannungsrückführung und Regler prüfen lassen."),
    ),
    "F002.own_load_dump": (
        "Ein großer Verbraucher des Hauses schaltete ab, und die Spannung schwang über",
        (
            "Feststellen, welches Gerät abgeschaltet wurde.",
            "Die Ausregelzeit der Spannungsregelung prüfen.",
        ),
    ),
    "F002.cluster_load_dump": (
        "Ein großer Verbraucher bei einem Nachbarn schaltete ab und hob die Spannung des Clusters",
        (
            "Feststellen, was im genannten Haus abgeschaltet wurde.",
            "Prüfen, ob die Spannungsstatik der Häuser zu klein ist.",
        ),
    ),
    "F002.swarm_load_dump": (
        "Jenseits des Gateways fiel Last weg und hob die Spannung des ganzen Clusters",
        (
            "Beim Nachbarcluster fragen, was abgeschaltet wurde.",
            "Spannung und Leistung des Gateways zu dieser Zeit ansehen.",
        ),
    ),
    "F002.neighbour_regulator": (
        "Die Spannungsregelung im Wechselrichter eines Nachbarn lief davon und hob den Cluster",
        ("Den genannten Wechselrichter ausschalten.", "Seine Spannungsrückführung prüfen lassen."),
    ),
    "F002.voltage_sensor": (
        "Die Spannungsmessung des Wechselrichters war falsch; die Nachbarn sahen nichts",
        (
            "Den Ausgang mit einem anderen Gerät messen.",
            "Teiler und Stecker der Spannungsmessung prüfen.",
        ),
    ),
    "F003.dc_sag": (
        "Der DC-Bus sackte so weit ab, dass der Wechselrichter die volle Spannung nicht erzeugen konnte",
        (
            "Ladezustand und niedrigste Zelle ansehen.",
            "Anschlüsse und Sicherung der Batterie prüfen.",
        ),
    ),
    "F003.own_overload": (
        "Das Haus nahm mehr, als sein Wechselrichter bei voller Spannung geben kann",
        ("Große Verbraucher ausschalten.", "Feststellen, was zu dieser Zeit eingeschaltet wurde."),
    ),
    "F003.cluster_overload": (
        "Last bei einem Nachbarn zog die Spannung des Clusters herunter",
        (
            "Feststellen, was im genannten Haus eingeschaltet wurde.",
            "Nachsehen, ob alle Wechselrichter des Clusters liefen.",
        ),
    ),
    "F003.line_short": (
        "Ein Kurzschluss auf der Leitung nahe einem anderen Haus zog die Spannung herunter",
        (
            "Die Leitung nahe dem genannten Haus auf Schäden absuchen.",
            "Vor dem Einschalten ihre Isolation messen.",
        ),
    ),
    "F003.voltage_sensor": (
        "Die Spannungsmessung des Wechselrichters war falsch; die Nachbarn sahen nichts",
        (
            "Den Ausgang mit einem anderen Gerät messen.",
            "Teiler und Stecker der Spannungsmessung prüfen.",
        ),
    ),
    "F004.cooling": (
        "Die Endstufe wird schlecht gekühlt: Lüfter, Kühlkörper oder Lufteinlass",
        (
            "Prüfen, ob der Lüfter dreht.",
            "Kühlkörper und Lufteinlass reinigen.",
            "Die Wärmeleitpaste erneuern, wenn sie heiß bleibt.",
        ),
    ),
    "F004.export": (
        "Der Wechselrichter speiste zu lange einen Nachbarn, der zu wenig gab, und wurde allein durch die Leistung heiß",
        (
            "Nachsehen, warum das genannte Haus so wenig gab.",
            "Die Leistung begrenzen, die an den Cluster geht.",
        ),
    ),
    "F004.sensor": (
        "Der Temperatursensor sprang schneller, als Metall warm werden kann",
        ("Stecker und Leitung des Sensors prüfen.", "Mit dem zweiten Sensor vergleichen."),
    ),
    "F005.mppt_regulation": (
        "Der Solarladeregler drückte den Bus hoch, obwohl die Batterie angeschlossen war",
        (
            "Die Spannungseinstellungen des Ladereglers prüfen.",
            "Den Laderegler ausgeschaltet lassen, bis er geprüft ist.",
        ),
    ),
    "F005.battery_disconnected": (
        "Das Batteriemanagement öffnete seinen Schalter, während der Laderegler einspeiste",
        (
            "Nachsehen, warum das Batteriemanagement öffnete: Zellen, Temperatur, Strom.",
            "Den Laderegler ausschalten, bevor die Batterie wieder verbunden wird.",
        ),
    ),
    "F005.backfeed": (
        "Überschuss aus dem Cluster floss durch den Wechselrichter zurück und hob den Bus",
        (
            "Das Haus suchen, das den Überschuss einspeiste.",
            "Leerlauffrequenz und Ladegrenze prüfen.",
        ),
    ),
    "F005.sensor": (
        "Die Messung des DC-Busses war falsch; die Zellen folgten nicht",
        ("Den Bus mit einem anderen Gerät messen.", "Teiler und Stecker der Messung prüfen."),
    ),
    "F006.low_charge": (
        "Die Batterie ist leer: alle Zellen sind gleich niedrig",
        ("Die Batterie laden.", "Die Grenze anheben, bei der das Haus aufhört zu entladen."),
    ),
    "F006.weak_cell": (
        "Eine Zelle gibt unter Last nach und nimmt den Bus mit",
        (
            "Kapazität und Widerstand der genannten Zelle prüfen lassen.",
            "Bis dahin den Entladestrom verringern.",
        ),
    ),
    "F006.loose_busbar": (
        "Eine schlechte Verbindung zwischen Batterie und Wechselrichter verliert die Spannung; die Zellen sind in Ordnung",
        (
            "Bei abgeschalteter Anlage Stromschienen, Kabelschuhe und Sicherung nachziehen.",
            "Nach verfärbten oder warmen Verbindungen suchen.",
        ),
    ),
    "F006.export_after_trip": (
        "Der Wechselrichter eines Nachbarn schaltete ab, und die Batterie konnte dessen Last nicht auch noch tragen",
        (
            "Feststellen, warum der Wechselrichter des Nachbarn abschaltete.",
            "Die Leistung an den Cluster bei niedriger Ladung begrenzen.",
        ),
    ),
    "F006.sensor": (
        "Die Messung des DC-Busses war falsch; die Zellen folgten nicht",
        ("Den Bus mit einem anderen Gerät messen.", "Teiler und Stecker der Messung prüfen."),
    ),
    "F010.weak_cell": (
        "Eine Zelle ist vor den anderen voll: weniger Kapazität oder aus dem Gleichgewicht",
        (
            "Die Batterie bei kleinem Strom ausgleichen lassen.",
            "Die Kapazität der genannten Zelle prüfen lassen.",
        ),
    ),
    "F010.overcharge": (
        "Der Solarladeregler lud eine volle Batterie weiter: alle Zellen sind hoch",
        ("Ladeschlussspannung des Ladereglers und seine Verbindung zum Batteriemanagement prüfen.",),
    ),
    "F010.backfeed": (
        "Überschuss aus dem Cluster lud durch den Wechselrichter eine volle Batterie",
        (
            "Das Haus suchen, das den Überschuss einspeiste.",
            "Die Ladegrenze des Wechselrichters prüfen.",
        ),
    ),
    "F010.sense_wire": (
        "Die Messleitung einer Zelle hat schlechten Kontakt: ihr Wert ist falsch, und die Summe der Zellen passt nicht zum Bus",
        ("Messleitung und Stecker der genannten Zelle und der daneben prüfen.",),
    ),
    "F011.weak_cell": (
        "Eine Zelle ist vor den anderen leer oder gibt unter Last nach",
        (
            "Kapazität und Widerstand der genannten Zelle prüfen lassen.",
            "Bis dahin den Entladestrom verringern.",
        ),
    ),
    "F011.deep_discharge": (
        "Die eigene Last des Hauses leerte die ganze Batterie: alle Zellen sind niedrig",
        ("Die Batterie laden.", "Die Grenze anheben, bei der das Haus aufhört zu entladen."),
    ),
    "F011.export": (
        "Das Speisen der Nachbarn leerte die ganze Batterie: alle Zellen sind niedrig",
        (
            "Nachsehen, warum das genannte Haus so viel nahm.",
            "Den Ladezustand anheben, bei dem das Haus aufhört zu geben.",
        ),
    ),
    "F011.sense_wire": (
        "Die Messleitung einer Zelle hat schlechten Kontakt: ihr Wert ist falsch, und die Summe der Zellen passt nicht zum Bus",
        ("Messleitung und Stecker der genannten Zelle und der daneben prüfen.",),
    ),
    "F012.cooling": (
        "Die Batterie wird ihre übliche Wärme nicht los",
        ("Belüftung und Abstand zwischen den Zellen prüfen.",),
    ),
    "F012.cell_short": (
        "Eine Zelle erwärmt sich ohne Strom: ein innerer Kurzschluss",
        (
            "Laden und Entladen beenden und Abstand halten.",
            "Die Stelle der genannten Zelle aus der Ferne mit einer Wärmebildkamera ansehen lassen.",
        ),
    ),
    "F012.overcurrent": (
        "Ein großer Strom über lange Zeit, meist für die Nachbarn, erwärmte die Batterie",
        ("Den Strom oder die Leistung an den Cluster begrenzen.",),
    ),
    "F012.ambient": (
        "Der Raum ist zu warm oder zu kalt; die Batterie folgt ihm",
        ("Die Temperatur des Raums ansehen.", "Ihn dämmen, heizen oder lüften."),
    ),
    "F012.sensor": (
        "Ein Temperaturfühler sprang oder ist defekt; die anderen sahen nichts",
        ("Stecker und Leitung des genannten Fühlers prüfen.",),
    ),
    "F013.mppt_overcurrent": (
        "Der Solarladeregler gab mehr Strom, als die Batterie aufnehmen darf",
        (
            "Die Stromgrenze des Ladereglers senken.",
            "Seine Verbindung zum Batteriemanagement prüfen.",
        ),
    ),
    "F013.surplus": (
        "Überschuss aus dem Cluster wurde vom Wechselrichter aufgenommen",
        (
            "Das Haus suchen, das den Überschuss einspeiste oder seine Last verlor.",
            "Die Ladegrenze des Wechselrichters senken.",
        ),
    ),
    "F013.current_sensor": (
        "Der Stromsensor der Batterie liegt daneben: Laderegler und Wechselrichter erklären den Strom nicht",
        ("Den Nullpunkt des Sensors in Ruhe setzen.", "Mit einer Stromzange vergleichen."),
    ),
    "F014.own_overload": (
        "Die Last des Hauses selbst zog zu viel aus der Batterie",
        ("Große Verbraucher ausschalten.", "Feststellen, was zu dieser Zeit eingeschaltet wurde."),
    ),
    "F014.shortage": (
        "Dem Cluster fehlte Leistung, und er zog sie aus dieser Batterie",
        (
            "Feststellen, welches Haus mehr nahm oder weniger gab.",
            "Die Leistung begrenzen, die an den Cluster geht.",
        ),
    ),
    "F014.current_sensor": (
        "Der Stromsensor der Batterie liegt daneben: Laderegler und Wechselrichter erklären den Strom nicht",
        ("Den Nullpunkt des Sensors in Ruhe setzen.", "Mit einer Stromzange vergleichen."),
    ),
    "F015.weak_cell": (
        "Eine Zelle hat weniger Kapazität: sie läuft am Ende von Ladung oder Entladung weg, gleich bei welchem Strom",
        (
            "Die Kapazität der genannten Zelle prüfen lassen.",
            "Bei kleinem Strom voll laden und ausgleichen lassen.",
        ),
    ),
    "F015.balancer": (
        "Die Zellen sind überall auseinandergelaufen: der Balancer arbeitet nicht",
        (
            "Prüfen, ob das Ausgleichen eingeschaltet ist und beginnt.",
            "Voll laden und den Unterschied einige Stunden beobachten.",
        ),
    ),
    "F015.link_resistance": (
        "Eine Zelle oder ihr Verbinder hat zu viel Widerstand: ihre Abweichung folgt dem Strom",
        (
            "Bei abgeschalteter Anlage die Verbinder der genannten Zelle nachziehen.",
            "Ihren Widerstand messen lassen.",
        ),
    ),
    "F015.sense_wire": (
        "Die Messleitung einer Zelle hat schlechten Kontakt: ihr Wert ist falsch, und die Summe der Zellen passt nicht zum Bus",
        ("Messleitung und Stecker der genannten Zelle und der daneben prüfen.",),
    ),
    "F020.cold_morning": (
        "Die Module waren kalt und unbelastet: ihre Leerlaufspannung liegt über der Grenze des Ladereglers",
        (
            "Die Leerlaufspannung des Strangs bei der tiefsten Temperatur mit der Grenze des Ladereglers vergleichen.",
            "Den Strang verkürzen.",
        ),
    ),
    "F020.string_error": (
        "Der Strang hat zu viele Module in Reihe: seine Spannung ist auch unter Last zu hoch",
        ("Die Module in Reihe zählen.", "Bei Sonne keine Stecker öffnen."),
    ),
    "F020.sensor": (
        "Die Messung der Eingangsspannung des Ladereglers war falsch",
        ("Den Eingang mit einem anderen Gerät messen.",),
    ),
    "F021.control": (
        "Die Regelung des Ladereglers verlor ihre Stromgrenze",
        ("Den Laderegler ausgeschaltet lassen.", "Seine Firmware und Einstellungen prüfen."),
    ),
    "F021.low_battery_voltage": (
        "Die Batteriespannung war so niedrig, dass die übliche Solarleistung zu viel Strom brauchte",
        ("Die Batterie behutsam laden.", "Die Stromgrenze des Ladereglers senken."),
    ),
    "F021.current_sensor": (
        "Die Strommessung des Ladereglers war falsch: seine Leistung passt nicht zum Eingang",
        ("Mit einer Stromzange vergleichen.",),
    ),
    "F030.node_reset": (
        "Ein Knoten startete neu, durch einen Einbruch seiner Versorgung oder seinen Watchdog",
        ("Die Versorgung des genannten Knotens prüfen.", "Den Grund seines Neustarts ansehen."),
    ),
    "F030.open_cable": (
        "Ein Knoten, oder alle hinter ihm, verlor das Buskabel oder die Versorgung und kam nicht wieder",
        (
            "Stecker und Kabel am genannten Knoten prüfen.",
            "Nachsehen, ob er noch Nachrichten sendet.",
        ),
    ),
    "F030.gateway_reset": (
        "Das Gateway startete neu, und der Bus war ohne es",
        ("Die Versorgung des Gateways prüfen.", "Den Grund seines Neustarts ansehen."),
    ),
    "F030.babbling_node": (
        "Ein Knoten überflutete den Bus, und die anderen kamen nicht durch",
        (
            "Den genannten Knoten abklemmen und sehen, ob die anderen wiederkommen.",
            "Seine Firmware oder seinen Transceiver erneuern.",
        ),
    ),
    "F031.termination": (
        "Der ganze Bus ist ständig gestört: Abschluss oder eine dauernde Störung",
        (
            "Bei ausgeschalteter Versorgung 60 Ω zwischen den Adern messen.",
            "Beide Enden prüfen, und dass es keine Stichleitungen gibt.",
        ),
    ),
    "F031.node_clock": (
        "Nur die Nachrichten eines Knotens kommen beschädigt an: sein Takt oder Transceiver liegt daneben",
        (
            "Quarz oder Transceiver des genannten Knotens tauschen.",
            "Sein Bit-Timing prüfen.",
        ),
    ),
    "F031.babbling_node": (
        "Ein Knoten überflutete den Bus mit Nachrichten",
        ("Den genannten Knoten abklemmen und sehen, ob die Fehler aufhören.",),
    ),
    "F031.switching_noise": (
        "Fehler kommen und gehen mit dem Strom eines Wechselrichters: sein Schaltrauschen gelangt in das Kabel",
        (
            "Das Buskabel von den Leistungskabeln des genannten Hauses fernhalten.",
            "Schirm und Erdung des Kabels prüfen.",
        ),
    ),
    "F040.droop_setting": (
        "Die Frequenz des Clusters liegt neben der des Schwarms: Statik oder Sollwert des Clusters",
        (
            "Leerlauffrequenz und Statik im Cluster prüfen.",
            "Last und Ladung des Clusters ansehen.",
        ),
    ),
    "F040.phase_lock": (
        "Die Frequenzen stimmen überein, aber die Phase bleibt außerhalb ihres Fensters: die Regelung rastet nicht ein",
        (
            "Die Einstellungen der Phasenregelung prüfen.",
            "Polarität und Phase der Messung prüfen.",
        ),
    ),
    "F040.unstable_swarm": (
        "Frequenz oder Spannung des Schwarms waren unruhig; der Cluster war ruhig",
        ("Fragen, was jenseits des Gateways geschah.", "Warten: das Gateway versucht es wieder."),
    ),
    "F040.unstable_cluster": (
        "Die eigene Frequenz des Clusters schwang; der Schwarm war ruhig",
        (
            "Im Cluster nach einem Verbraucher oder Wechselrichter suchen, der pendelt.",
            "Die Statik prüfen.",
        ),
    ),
    "F041.welded": (
        "Das Schütz blieb geschlossen: seine Kontakte sind verschweißt",
        ("Beide Seiten als unter Spannung behandeln.", "Das Schütz tauschen."),
    ),
    "F041.stuck_open": (
        "Das Schütz schloss nicht: Spule, Ansteuerung oder Mechanik",
        ("Die Spule und ihre Spannung messen.", "Das Schütz tauschen."),
    ),
    "F041.auxiliary_contact": (
        "Das Schütz tat, was es sollte, nur sein Hilfskontakt sagt etwas anderes",
        ("Den Hilfskontakt und seine Leitungen prüfen.",),
    ),
    "F041.command_lost": (
        "Der Befehl kam über den Bus nicht beim Schütz an",
        (
            "Den CAN-Bus zwischen Gateway und Schütz prüfen.",
            "Nach anderen Busfehlern sehen.",
        ),
    ),
}

TRANSIENT_DE = (
    "Die Grenze wurde für einen Augenblick überschritten, durch Rauschen oder etwas, das von selbst vorbei war; nichts weist "
    "auf einen Defekt hin",
    (
        "Nichts zu tun, wenn es bei einem Mal bleibt.",
        "Wenn es wiederkommt, Grenze und Verzögerung mit den üblichen Werten vergleichen.",
    ),
)
"""Of all codes: nothing is defective."""
