"""The fault catalogue as rows; generated from contract/faults.yaml by `script/generate faults`."""

# ruff: noqa: E501 - texts stay on one line, so that a changed text is one changed line

from __future__ import annotations

from .fault import Condition, Fault, FaultCategory, FaultText
from .messages import Severity

CATEGORY_NAMES: dict[FaultCategory, dict[str, str]] = {
    FaultCategory.INVERTER: {"en": "Inverter", "de": "Wechselrichter", "pl": "Falownik"},
    FaultCategory.BATTERY: {"en": "Battery", "de": "Batterie", "pl": "Akumulator"},
    FaultCategory.SOLAR: {"en": "Solar", "de": "Solar", "pl": "Fotowoltaika"},
    FaultCategory.COMMUNICATION: {"en": "Communication", "de": "Kommunikation", "pl": "Komunikacja"},
    FaultCategory.SYNCHRONISATION: {"en": "Synchronisation", "de": "Synchronisation", "pl": "Synchronizacja"},
    FaultCategory.HEAT_PUMP: {"en": "Heat pump", "de": "Wärmepumpe", "pl": "Pompa ciepła"},
    FaultCategory.UNKNOWN: {"en": "Unknown", "de": "Unbekannt", "pl": "Nieznana"},
}

UNKNOWN_TEXTS = (
    FaultText(
        language="en",
        name="Unknown fault",
        description="A node reports a fault code that this version does not know.",
        advice="Look the code up in the documentation of the node's firmware, and update the integration.",
    ),
    FaultText(
        language="de",
        name="Unbekannte Störung",
        description="Ein Knoten meldet einen Störungscode, den diese Version nicht kennt.",
        advice="Den Code in der Dokumentation der Firmware des Knotens nachschlagen und die Integration aktualisieren.",
    ),
    FaultText(
        language="pl",
        name="Nieznana usterka",
        description="Węzeł zgłasza kod usterki, którego ta wersja nie zna.",
        advice="Sprawdź kod w dokumentacji oprogramowania węzła i zaktualizuj integrację.",
    ),
)

FAULT_ROWS = (
    Fault(
        code="F001",
        category=FaultCategory.INVERTER,
        severity=Severity.CRITICAL,
        threshold="I > 150 % of rated current for 20 ms",
        texts=(
            FaultText(
                language="en",
                name="Inverter overcurrent",
                description="The inverter's output current exceeded its limit and the inverter switched off.",
                advice="Switch off large loads in the house, then restart the inverter. If it trips again without load, keep it off and have its output checked.",
            ),
            FaultText(
                language="de",
                name="Überstrom am Wechselrichter",
                description="Der Ausgangsstrom überschritt die Grenze und der Wechselrichter hat abgeschaltet.",
                advice="Große Verbraucher im Haus ausschalten, dann den Wechselrichter neu starten. Löst er auch ohne Last wieder aus, ausgeschaltet lassen und den Ausgang prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Nadmierny prąd falownika",
                description="Prąd wyjściowy przekroczył granicę i falownik się wyłączył.",
                advice="Wyłącz duże odbiorniki w domu, a potem uruchom falownik ponownie. Jeśli wyłączy się także bez obciążenia, pozostaw go wyłączonego i zleć sprawdzenie wyjścia.",
            ),
        ),
    ),
    Fault(
        code="F002",
        category=FaultCategory.INVERTER,
        severity=Severity.CRITICAL,
        threshold="U > 253 V",
        texts=(
            FaultText(
                language="en",
                name="Output voltage too high",
                description="The AC voltage rose above the upper limit.",
                advice="See whether the neighbouring houses saw it too. If only this house did, keep its inverter off and have the voltage regulation checked.",
            ),
            FaultText(
                language="de",
                name="Ausgangsspannung zu hoch",
                description="Die Wechselspannung stieg über die obere Grenze.",
                advice="Nachsehen, ob auch die Nachbarhäuser betroffen waren. War es nur dieses Haus, den Wechselrichter ausgeschaltet lassen und die Spannungsregelung prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt wysokie napięcie wyjściowe",
                description="Napięcie przemienne wzrosło powyżej górnej granicy.",
                advice="Sprawdź, czy wystąpiło to także w sąsiednich domach. Jeśli tylko w tym domu, pozostaw falownik wyłączony i zleć sprawdzenie regulacji napięcia.",
            ),
        ),
    ),
    Fault(
        code="F003",
        category=FaultCategory.INVERTER,
        severity=Severity.CRITICAL,
        threshold="U < 207 V",
        texts=(
            FaultText(
                language="en",
                name="Output voltage too low",
                description="The AC voltage fell below the lower limit.",
                advice="Reduce the load and look at the battery voltage. If the battery is fine and other houses are affected, look for an overload or a short circuit in the cluster.",
            ),
            FaultText(
                language="de",
                name="Ausgangsspannung zu niedrig",
                description="Die Wechselspannung fiel unter die untere Grenze.",
                advice="Last verringern und die Batteriespannung ansehen. Ist die Batterie in Ordnung und sind andere Häuser betroffen, nach Überlast oder Kurzschluss im Cluster suchen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt niskie napięcie wyjściowe",
                description="Napięcie przemienne spadło poniżej dolnej granicy.",
                advice="Zmniejsz obciążenie i sprawdź napięcie akumulatora. Jeśli akumulator jest sprawny, a problem dotyczy też innych domów, poszukaj przeciążenia lub zwarcia w klastrze.",
            ),
        ),
    ),
    Fault(
        code="F004",
        category=FaultCategory.INVERTER,
        severity=Severity.CRITICAL,
        threshold="T > 95 °C",
        texts=(
            FaultText(
                language="en",
                name="Inverter too hot",
                description="A power transistor exceeded its temperature limit and the inverter switched off.",
                advice="Let it cool down and check that the fan turns and the air inlet is free. Restart with less load.",
            ),
            FaultText(
                language="de",
                name="Wechselrichter zu heiß",
                description="Ein Leistungstransistor überschritt die Temperaturgrenze und der Wechselrichter hat abgeschaltet.",
                advice="Abkühlen lassen und prüfen, ob sich der Lüfter dreht und der Lufteinlass frei ist. Mit weniger Last neu starten.",
            ),
            FaultText(
                language="pl",
                name="Przegrzany falownik",
                description="Tranzystor mocy przekroczył granicę temperatury i falownik się wyłączył.",
                advice="Poczekaj, aż ostygnie, i sprawdź, czy wentylator się obraca, a wlot powietrza jest drożny. Uruchom ponownie z mniejszym obciążeniem.",
            ),
        ),
    ),
    Fault(
        code="F005",
        category=FaultCategory.INVERTER,
        severity=Severity.CRITICAL,
        threshold="U_dc > 58.4 V",
        texts=(
            FaultText(
                language="en",
                name="DC bus voltage too high",
                description="The voltage of the DC bus rose above the upper limit (16 cells at 3.65 V).",
                advice="Check whether the battery management has disconnected the battery. If so, switch the solar charger off before reconnecting it.",
            ),
            FaultText(
                language="de",
                name="Zwischenkreisspannung zu hoch",
                description="Die Spannung des Gleichstromkreises stieg über die obere Grenze (16 Zellen mit 3,65 V).",
                advice="Prüfen, ob das Batteriemanagement die Batterie getrennt hat. Wenn ja, vor dem Zuschalten den Solarladeregler ausschalten.",
            ),
            FaultText(
                language="pl",
                name="Zbyt wysokie napięcie szyny DC",
                description="Napięcie szyny prądu stałego wzrosło powyżej górnej granicy (16 ogniw po 3,65 V).",
                advice="Sprawdź, czy BMS odłączył akumulator. Jeśli tak, przed ponownym podłączeniem wyłącz regulator ładowania.",
            ),
        ),
    ),
    Fault(
        code="F006",
        category=FaultCategory.INVERTER,
        severity=Severity.CRITICAL,
        threshold="U_dc < 44.8 V",
        texts=(
            FaultText(
                language="en",
                name="DC bus voltage too low",
                description="The voltage of the DC bus fell below the lower limit (16 cells at 2.80 V).",
                advice="Stop discharging and charge the battery. If its state of charge was not low, have the battery connections checked for a loose contact.",
            ),
            FaultText(
                language="de",
                name="Zwischenkreisspannung zu niedrig",
                description="Die Spannung des Gleichstromkreises fiel unter die untere Grenze (16 Zellen mit 2,80 V).",
                advice="Nicht weiter entladen und die Batterie laden. War der Ladestand nicht niedrig, die Batterieanschlüsse auf lose Kontakte prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt niskie napięcie szyny DC",
                description="Napięcie szyny prądu stałego spadło poniżej dolnej granicy (16 ogniw po 2,80 V).",
                advice="Przerwij rozładowywanie i naładuj akumulator. Jeśli stan naładowania nie był niski, zleć sprawdzenie połączeń akumulatora.",
            ),
        ),
    ),
    Fault(
        code="F010",
        category=FaultCategory.BATTERY,
        severity=Severity.CRITICAL,
        threshold="U_cell > 3.65 V",
        texts=(
            FaultText(
                language="en",
                name="Cell voltage too high",
                description="At least one battery cell was charged above its upper voltage limit.",
                advice="Stop charging and let the battery balance. If it is always the same cell, have that cell and its sense wire checked.",
            ),
            FaultText(
                language="de",
                name="Zellspannung zu hoch",
                description="Mindestens eine Batteriezelle wurde über ihre obere Spannungsgrenze geladen.",
                advice="Laden beenden und die Batterie ausgleichen lassen. Ist es immer dieselbe Zelle, diese Zelle und ihre Messleitung prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt wysokie napięcie ogniwa",
                description="Co najmniej jedno ogniwo naładowano powyżej górnej granicy napięcia.",
                advice="Przerwij ładowanie i pozwól akumulatorowi się zbalansować. Jeśli to zawsze to samo ogniwo, zleć sprawdzenie ogniwa i jego przewodu pomiarowego.",
            ),
        ),
    ),
    Fault(
        code="F011",
        category=FaultCategory.BATTERY,
        severity=Severity.CRITICAL,
        threshold="U_cell < 2.80 V",
        texts=(
            FaultText(
                language="en",
                name="Cell voltage too low",
                description="At least one battery cell was discharged below its lower voltage limit.",
                advice="Stop discharging at once and charge with low power. If it is always the same cell, have that cell and its sense wire checked.",
            ),
            FaultText(
                language="de",
                name="Zellspannung zu niedrig",
                description="Mindestens eine Batteriezelle wurde unter ihre untere Spannungsgrenze entladen.",
                advice="Entladen sofort beenden und mit kleiner Leistung laden. Ist es immer dieselbe Zelle, diese Zelle und ihre Messleitung prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt niskie napięcie ogniwa",
                description="Co najmniej jedno ogniwo rozładowano poniżej dolnej granicy napięcia.",
                advice="Natychmiast przerwij rozładowywanie i ładuj małą mocą. Jeśli to zawsze to samo ogniwo, zleć sprawdzenie ogniwa i jego przewodu pomiarowego.",
            ),
        ),
    ),
    Fault(
        code="F012",
        category=FaultCategory.BATTERY,
        severity=Severity.CRITICAL,
        threshold="T_cell outside its limits (°C)",
        texts=(
            FaultText(
                language="en",
                name="Cell temperature out of range",
                description="A battery cell is too hot or too cold for the current that flows.",
                advice="Stop charging and discharging. If the cell keeps warming without current, keep away from the battery and call the fire service.",
            ),
            FaultText(
                language="de",
                name="Zelltemperatur außerhalb der Grenzen",
                description="Eine Batteriezelle ist für den fließenden Strom zu heiß oder zu kalt.",
                advice="Laden und Entladen beenden. Erwärmt sich die Zelle auch ohne Strom weiter, Abstand von der Batterie halten und die Feuerwehr rufen.",
            ),
            FaultText(
                language="pl",
                name="Temperatura ogniwa poza zakresem",
                description="Ogniwo jest zbyt gorące lub zbyt zimne dla płynącego prądu.",
                advice="Przerwij ładowanie i rozładowywanie. Jeśli ogniwo nagrzewa się dalej bez prądu, odsuń się od akumulatora i wezwij straż pożarną.",
            ),
        ),
    ),
    Fault(
        code="F013",
        category=FaultCategory.BATTERY,
        severity=Severity.CRITICAL,
        threshold="I_charge > limit (A)",
        texts=(
            FaultText(
                language="en",
                name="Charging current too high",
                description="More current flowed into the battery than it allows.",
                advice="Lower the charging current of the solar charger and of the schedule. If the current was not real, have the current sensor checked.",
            ),
            FaultText(
                language="de",
                name="Ladestrom zu hoch",
                description="In die Batterie floss mehr Strom, als sie erlaubt.",
                advice="Ladestrom am Solarladeregler und im Fahrplan verringern. War der Strom nicht echt, den Stromsensor prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt duży prąd ładowania",
                description="Do akumulatora płynął większy prąd, niż jest dozwolony.",
                advice="Zmniejsz prąd ładowania w regulatorze i w harmonogramie. Jeśli prąd nie był rzeczywisty, zleć sprawdzenie czujnika prądu.",
            ),
        ),
    ),
    Fault(
        code="F014",
        category=FaultCategory.BATTERY,
        severity=Severity.CRITICAL,
        threshold="I_discharge > limit (A)",
        texts=(
            FaultText(
                language="en",
                name="Discharging current too high",
                description="More current was drawn from the battery than it allows.",
                advice="Switch off large loads and lower the discharge power of the schedule. If it happens while supplying neighbours, limit the export.",
            ),
            FaultText(
                language="de",
                name="Entladestrom zu hoch",
                description="Aus der Batterie wurde mehr Strom entnommen, als sie erlaubt.",
                advice="Große Verbraucher ausschalten und die Entladeleistung im Fahrplan verringern. Geschieht es beim Versorgen von Nachbarn, die Abgabe begrenzen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt duży prąd rozładowania",
                description="Z akumulatora pobierano większy prąd, niż jest dozwolony.",
                advice="Wyłącz duże odbiorniki i zmniejsz moc rozładowania w harmonogramie. Jeśli dzieje się to podczas zasilania sąsiadów, ogranicz oddawaną moc.",
            ),
        ),
    ),
    Fault(
        code="F015",
        category=FaultCategory.BATTERY,
        severity=Severity.WARNING,
        threshold="ΔU_cells > 100 mV",
        texts=(
            FaultText(
                language="en",
                name="Cells out of balance",
                description="The voltages of the battery cells differ more than they should.",
                advice="Charge fully and let the battery balance for some hours. If the difference stays, have the outlying cell and its connectors checked.",
            ),
            FaultText(
                language="de",
                name="Zellen im Ungleichgewicht",
                description="Die Spannungen der Batteriezellen unterscheiden sich stärker, als sie sollten.",
                advice="Voll laden und die Batterie einige Stunden ausgleichen lassen. Bleibt der Unterschied, die abweichende Zelle und ihre Verbinder prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Niezbalansowane ogniwa",
                description="Napięcia ogniw różnią się bardziej, niż powinny.",
                advice="Naładuj akumulator do pełna i pozwól mu się balansować przez kilka godzin. Jeśli różnica pozostanie, zleć sprawdzenie odstającego ogniwa i jego połączeń.",
            ),
        ),
    ),
    Fault(
        code="F020",
        category=FaultCategory.SOLAR,
        severity=Severity.CRITICAL,
        threshold="U_pv > limit (V)",
        texts=(
            FaultText(
                language="en",
                name="Panel voltage too high",
                description="The solar panels delivered more voltage than the charger's input allows.",
                advice="Do not open the connectors in sunlight. Have the number of panels in series checked against the coldest expected morning.",
            ),
            FaultText(
                language="de",
                name="Modulspannung zu hoch",
                description="Die Solarmodule lieferten mehr Spannung, als der Eingang des Ladereglers erlaubt.",
                advice="Steckverbinder nicht bei Sonne öffnen. Die Zahl der Module in Reihe für den kältesten zu erwartenden Morgen prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt wysokie napięcie paneli",
                description="Panele dostarczyły wyższe napięcie, niż dopuszcza wejście regulatora.",
                advice="Nie rozłączaj złączy w słońcu. Zleć sprawdzenie liczby paneli w szeregu dla najzimniejszego spodziewanego poranka.",
            ),
        ),
    ),
    Fault(
        code="F021",
        category=FaultCategory.SOLAR,
        severity=Severity.WARNING,
        threshold="I_mppt > limit (A)",
        texts=(
            FaultText(
                language="en",
                name="Solar charger overcurrent",
                description="The solar charger delivered more current than it is made for.",
                advice="Lower its current limit and see whether the battery is deeply discharged. If it returns, keep the charger off and have it checked.",
            ),
            FaultText(
                language="de",
                name="Überstrom am Solarladeregler",
                description="Der Solarladeregler lieferte mehr Strom, als er verträgt.",
                advice="Seine Stromgrenze verringern und nachsehen, ob die Batterie tief entladen ist. Kommt es wieder vor, den Laderegler ausgeschaltet lassen und prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Nadmierny prąd regulatora ładowania",
                description="Regulator ładowania dostarczył większy prąd, niż jest dla niego przewidziany.",
                advice="Zmniejsz jego granicę prądu i sprawdź, czy akumulator nie jest głęboko rozładowany. Jeśli się powtórzy, pozostaw regulator wyłączony i zleć jego sprawdzenie.",
            ),
        ),
    ),
    Fault(
        code="F030",
        category=FaultCategory.COMMUNICATION,
        severity=Severity.WARNING,
        threshold="no frame within limit (s)",
        texts=(
            FaultText(
                language="en",
                name="CAN bus silent",
                description="A node on the CAN bus has stopped sending.",
                advice="See which nodes vanished. If it is one, check its supply and plug; if it is all, check the gateway and the cable.",
            ),
            FaultText(
                language="de",
                name="CAN-Bus stumm",
                description="Ein Knoten am CAN-Bus sendet nicht mehr.",
                advice="Nachsehen, welche Knoten fehlen. Ist es einer, seine Versorgung und seinen Stecker prüfen; sind es alle, Gateway und Kabel prüfen.",
            ),
            FaultText(
                language="pl",
                name="Cisza na magistrali CAN",
                description="Węzeł na magistrali CAN przestał nadawać.",
                advice="Sprawdź, których węzłów brakuje. Jeśli jednego, sprawdź jego zasilanie i wtyczkę; jeśli wszystkich, sprawdź bramę i kabel.",
            ),
        ),
    ),
    Fault(
        code="F031",
        category=FaultCategory.COMMUNICATION,
        severity=Severity.WARNING,
        threshold="errors > limit (1/min)",
        texts=(
            FaultText(
                language="en",
                name="CAN bus errors",
                description="Many frames on the CAN bus arrive damaged.",
                advice="Check that the bus has exactly two terminators (60 Ω between the wires) and that its cable runs apart from power cables.",
            ),
            FaultText(
                language="de",
                name="Fehler auf dem CAN-Bus",
                description="Viele Nachrichten auf dem CAN-Bus kommen beschädigt an.",
                advice="Prüfen, ob der Bus genau zwei Abschlusswiderstände hat (60 Ω zwischen den Adern) und sein Kabel getrennt von Leistungskabeln liegt.",
            ),
            FaultText(
                language="pl",
                name="Błędy na magistrali CAN",
                description="Wiele ramek na magistrali CAN dociera uszkodzonych.",
                advice="Sprawdź, czy magistrala ma dokładnie dwa terminatory (60 Ω między przewodami) i czy jej kabel biegnie z dala od kabli mocy.",
            ),
        ),
    ),
    Fault(
        code="F040",
        category=FaultCategory.SYNCHRONISATION,
        severity=Severity.WARNING,
        threshold="not synchronous after 60 s",
        texts=(
            FaultText(
                language="en",
                name="Synchronisation failed",
                description="The cluster could not be brought into step with the swarm, and its contactor stayed open.",
                advice="Compare frequency and voltage on both sides of the contactor. The side that moves needs attention; the cluster goes on alone meanwhile.",
            ),
            FaultText(
                language="de",
                name="Synchronisation gescheitert",
                description="Der Cluster kam mit dem Schwarm nicht in Gleichtakt, sein Schütz blieb offen.",
                advice="Frequenz und Spannung auf beiden Seiten des Schützes vergleichen. Um die unruhige Seite kümmern; der Cluster läuft solange allein weiter.",
            ),
            FaultText(
                language="pl",
                name="Synchronizacja nieudana",
                description="Klastra nie udało się zsynchronizować z rojem, a jego stycznik pozostał otwarty.",
                advice="Porównaj częstotliwość i napięcie po obu stronach stycznika. Uwagi wymaga strona niestabilna; klaster pracuje tymczasem samodzielnie.",
            ),
        ),
    ),
    Fault(
        code="F041",
        category=FaultCategory.SYNCHRONISATION,
        severity=Severity.CRITICAL,
        threshold="contactor and command differ for longer than limit (s)",
        texts=(
            FaultText(
                language="en",
                name="Contactor fault",
                description="The contactor did not do what it was told, or its auxiliary contact disagrees.",
                advice="Treat both sides as live. Have the contactor checked for welded contacts, a broken coil and its auxiliary contact.",
            ),
            FaultText(
                language="de",
                name="Schützfehler",
                description="Das Schütz folgte dem Befehl nicht, oder sein Hilfskontakt widerspricht.",
                advice="Beide Seiten als spannungsführend behandeln. Das Schütz auf verschweißte Kontakte, eine defekte Spule und seinen Hilfskontakt prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Usterka stycznika",
                description="Stycznik nie wykonał polecenia lub jego styk pomocniczy wskazuje co innego.",
                advice="Traktuj obie strony jako będące pod napięciem. Zleć sprawdzenie, czy styki nie są zgrzane, cewka przerwana, a styk pomocniczy uszkodzony.",
            ),
        ),
    ),
)

ALARM_ROWS = (
    Condition(
        code="HP_COMP_HOT",
        category=FaultCategory.HEAT_PUMP,
        threshold="T > 85 °C for 30 s, critical > 95 °C",
        texts=(
            FaultText(
                language="en",
                name="Compressor too hot",
                description="The compressor of the heat pump got hotter than it should in normal operation.",
                advice="Check that water flows and its filter is clean, and lower the flow temperature. If it gets as hot again, switch the heat pump off and have the refrigerant circuit checked.",
            ),
            FaultText(
                language="de",
                name="Verdichter zu heiß",
                description="Der Verdichter der Wärmepumpe wurde heißer, als er im normalen Betrieb sein soll.",
                advice="Prüfen, ob Wasser fließt und dessen Filter sauber ist, und die Vorlauftemperatur senken. Wird er wieder so heiß, die Wärmepumpe ausschalten und den Kältekreis prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Sprężarka zbyt gorąca",
                description="Sprężarka pompy ciepła nagrzała się bardziej, niż powinna w normalnej pracy.",
                advice="Sprawdź, czy woda płynie i czy jej filtr jest czysty, i obniż temperaturę zasilania. Jeśli znów tak się nagrzeje, wyłącz pompę ciepła i zleć sprawdzenie obiegu chłodniczego.",
            ),
        ),
    ),
    Condition(
        code="HP_CURRENT_HIGH",
        category=FaultCategory.HEAT_PUMP,
        threshold="I > 12 A for 10 s, critical > 15 A",
        texts=(
            FaultText(
                language="en",
                name="Current too high",
                description="The heat pump draws more current than it should in normal operation.",
                advice="See whether the supply voltage is low, and lower the flow temperature. If the current stays high, switch the heat pump off and have its compressor and wiring checked.",
            ),
            FaultText(
                language="de",
                name="Stromaufnahme zu hoch",
                description="Die Wärmepumpe nimmt mehr Strom auf, als sie im normalen Betrieb soll.",
                advice="Nachsehen, ob die Versorgungsspannung niedrig ist, und die Vorlauftemperatur senken. Bleibt der Strom hoch, die Wärmepumpe ausschalten und Verdichter und Verdrahtung prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt duży prąd",
                description="Pompa ciepła pobiera większy prąd, niż powinna w normalnej pracy.",
                advice="Sprawdź, czy napięcie zasilania nie jest niskie, i obniż temperaturę wody na zasilaniu. Jeśli prąd pozostaje duży, wyłącz pompę ciepła i zleć sprawdzenie sprężarki i okablowania.",
            ),
        ),
    ),
    Condition(
        code="HP_NODE_COMP_HOT",
        category=FaultCategory.HEAT_PUMP,
        threshold="T > limit (°C) of the node",
        texts=(
            FaultText(
                language="en",
                name="Node reports: compressor temperature",
                description="The heat pump's node measured a compressor temperature above its own limit.",
                advice="Look at the compressor temperature. If it is high, check water flow and filter and lower the flow temperature; if not, have the node's limit and probe checked.",
            ),
            FaultText(
                language="de",
                name="Knoten meldet: Verdichtertemperatur",
                description="Der Knoten der Wärmepumpe maß eine Verdichtertemperatur über seiner eigenen Grenze.",
                advice="Die Verdichtertemperatur ansehen. Ist sie hoch, Wasserdurchfluss und Filter prüfen und die Vorlauftemperatur senken; wenn nicht, Grenze und Fühler des Knotens prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Węzeł zgłasza: temperatura sprężarki",
                description="Węzeł pompy ciepła zmierzył temperaturę sprężarki powyżej własnej granicy.",
                advice="Sprawdź temperaturę sprężarki. Jeśli jest wysoka, sprawdź przepływ wody i filtr i obniż temperaturę zasilania; jeśli nie, zleć sprawdzenie granicy i czujnika węzła.",
            ),
        ),
    ),
    Condition(
        code="HP_NODE_CURRENT",
        category=FaultCategory.HEAT_PUMP,
        threshold="I > limit (A) of the node",
        texts=(
            FaultText(
                language="en",
                name="Node reports: current",
                description="The heat pump's node measured a current above its own limit.",
                advice="Look at the current. If it is high, lower the flow temperature and have compressor and wiring checked if it stays so; if not, have the node's limit and current sensor checked.",
            ),
            FaultText(
                language="de",
                name="Knoten meldet: Strom",
                description="Der Knoten der Wärmepumpe maß einen Strom über seiner eigenen Grenze.",
                advice="Den Strom ansehen. Ist er hoch, die Vorlauftemperatur senken und, wenn er hoch bleibt, Verdichter und Verdrahtung prüfen lassen; wenn nicht, Grenze und Stromsensor des Knotens prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Węzeł zgłasza: prąd",
                description="Węzeł pompy ciepła zmierzył prąd powyżej własnej granicy.",
                advice="Sprawdź prąd. Jeśli jest duży, obniż temperaturę wody na zasilaniu, a gdy to nie pomoże, zleć sprawdzenie sprężarki i okablowania; jeśli nie, zleć sprawdzenie granicy i czujnika prądu węzła.",
            ),
        ),
    ),
    Condition(
        code="HP_NODE_P_HIGH",
        category=FaultCategory.HEAT_PUMP,
        threshold="p > limit (psi) of the node",
        texts=(
            FaultText(
                language="en",
                name="Node reports: high-side pressure",
                description="The heat pump's node measured a high-side pressure above its own limit, which is the same for every refrigerant.",
                advice="Choose the refrigerant in Home Assistant and look at the condensing temperature. Above 60 °C check water flow and filter and lower the flow temperature; below, have the node's limit set for the refrigerant.",
            ),
            FaultText(
                language="de",
                name="Knoten meldet: Hochdruck",
                description="Der Knoten der Wärmepumpe maß einen Hochdruck über seiner eigenen Grenze, die für jedes Kältemittel gleich ist.",
                advice="In Home Assistant das Kältemittel wählen und die Verflüssigungstemperatur ansehen. Über 60 °C Wasserdurchfluss und Filter prüfen und den Vorlauf kühler stellen; darunter die Grenze des Knotens dem Kältemittel anpassen lassen.",
            ),
            FaultText(
                language="pl",
                name="Węzeł zgłasza: wysokie ciśnienie",
                description="Węzeł pompy ciepła zmierzył ciśnienie tłoczenia powyżej własnej granicy, jednakowej dla każdego czynnika.",
                advice="Wybierz czynnik chłodniczy w Home Assistant i sprawdź temperaturę skraplania. Powyżej 60 °C sprawdź przepływ wody i filtr i obniż temperaturę zasilania; poniżej zleć dopasowanie granicy węzła do czynnika.",
            ),
        ),
    ),
    Condition(
        code="HP_NODE_P_LOW",
        category=FaultCategory.HEAT_PUMP,
        threshold="p < limit (psi) of the node",
        texts=(
            FaultText(
                language="en",
                name="Node reports: low-side pressure",
                description="The heat pump's node measured a low-side pressure below its own limit, which is the same for every refrigerant.",
                advice="Choose the refrigerant in Home Assistant and look at the evaporating temperature. Below −25 °C switch off and clear the outdoor unit of ice and dirt; above, have the node's limit set for the refrigerant.",
            ),
            FaultText(
                language="de",
                name="Knoten meldet: Niederdruck",
                description="Der Knoten der Wärmepumpe maß einen Niederdruck unter seiner eigenen Grenze, die für jedes Kältemittel gleich ist.",
                advice="In Home Assistant das Kältemittel wählen und die Verdampfungstemperatur ansehen. Unter −25 °C ausschalten und das Außengerät von Eis und Schmutz befreien; darüber die Grenze des Knotens dem Kältemittel anpassen lassen.",
            ),
            FaultText(
                language="pl",
                name="Węzeł zgłasza: niskie ciśnienie",
                description="Węzeł pompy ciepła zmierzył ciśnienie ssania poniżej własnej granicy, jednakowej dla każdego czynnika.",
                advice="Wybierz czynnik chłodniczy w Home Assistant i sprawdź temperaturę parowania. Poniżej −25 °C wyłącz pompę i oczyść jednostkę zewnętrzną z lodu i brudu; powyżej zleć dopasowanie granicy węzła do czynnika.",
            ),
        ),
    ),
    Condition(
        code="HP_NODE_VOLTAGE",
        category=FaultCategory.HEAT_PUMP,
        threshold="U beyond limit (V) of the node",
        texts=(
            FaultText(
                language="en",
                name="Node reports: supply voltage",
                description="The heat pump's node measured a supply voltage above or below its own limits.",
                advice="See whether the neighbouring houses measure it too; if so, look at the inverters' output voltage. If not, have the heat pump's supply and the node's voltage sensor checked.",
            ),
            FaultText(
                language="de",
                name="Knoten meldet: Versorgungsspannung",
                description="Der Knoten der Wärmepumpe maß eine Versorgungsspannung über oder unter seinen eigenen Grenzen.",
                advice="Nachsehen, ob auch die Nachbarhäuser sie messen; wenn ja, die Ausgangsspannung der Wechselrichter ansehen. Wenn nicht, Zuleitung der Wärmepumpe und Spannungssensor des Knotens prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Węzeł zgłasza: napięcie zasilania",
                description="Węzeł pompy ciepła zmierzył napięcie zasilania powyżej lub poniżej własnych granic.",
                advice="Sprawdź, czy widać to także w sąsiednich domach; jeśli tak, sprawdź napięcie wyjściowe falowników. Jeśli nie, zleć sprawdzenie zasilania pompy ciepła i czujnika napięcia węzła.",
            ),
        ),
    ),
    Condition(
        code="HP_PRESSURE_HIGH",
        category=FaultCategory.HEAT_PUMP,
        threshold="T_condensing > 60 °C for 10 s, critical > 65 °C",
        texts=(
            FaultText(
                language="en",
                name="High-side pressure too high",
                description="The high-side pressure is above what suits the chosen refrigerant.",
                advice="Check that the circulation pump runs, valves are open and the water filter is clean, and lower the flow temperature. If it comes back, switch the heat pump off and have the refrigerant circuit checked.",
            ),
            FaultText(
                language="de",
                name="Hochdruck zu hoch",
                description="Der Hochdruck liegt über dem, was zum gewählten Kältemittel passt.",
                advice="Prüfen, ob die Umwälzpumpe läuft, Ventile offen sind und der Wasserfilter sauber ist, und die Vorlauftemperatur senken. Kommt es wieder, die Wärmepumpe ausschalten und den Kältekreis prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt wysokie ciśnienie tłoczenia",
                description="Ciśnienie tłoczenia jest wyższe, niż odpowiada wybranemu czynnikowi chłodniczemu.",
                advice="Sprawdź, czy pompa obiegowa działa, zawory są otwarte, a filtr wody czysty, i obniż temperaturę zasilania. Jeśli alarm wróci, wyłącz pompę ciepła i zleć sprawdzenie obiegu chłodniczego.",
            ),
        ),
    ),
    Condition(
        code="HP_PRESSURE_LOW",
        category=FaultCategory.HEAT_PUMP,
        threshold="T_evaporating < −25 °C for 10 s, critical < −30 °C",
        texts=(
            FaultText(
                language="en",
                name="Low-side pressure too low",
                description="The low-side pressure is below what suits the chosen refrigerant.",
                advice="Switch the heat pump off, clear leaves, snow and ice from the outdoor unit, and see that its fan turns after the restart. If it comes back, have a technician look for a refrigerant leak.",
            ),
            FaultText(
                language="de",
                name="Niederdruck zu niedrig",
                description="Der Niederdruck liegt unter dem, was zum gewählten Kältemittel passt.",
                advice="Die Wärmepumpe ausschalten, das Außengerät von Laub, Schnee und Eis befreien und nach dem Neustart nachsehen, ob sich der Lüfter dreht. Kommt es wieder, nach einem Kältemittelleck suchen lassen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt niskie ciśnienie ssania",
                description="Ciśnienie ssania jest niższe, niż odpowiada wybranemu czynnikowi chłodniczemu.",
                advice="Wyłącz pompę ciepła, oczyść jednostkę zewnętrzną z liści, śniegu i lodu, a po włączeniu sprawdź, czy wentylator się obraca. Jeśli alarm wróci, zleć poszukanie wycieku czynnika.",
            ),
        ),
    ),
    Condition(
        code="HP_VOLTAGE_HIGH",
        category=FaultCategory.HEAT_PUMP,
        threshold="U > 245 V for 5 s, critical > 250 V",
        texts=(
            FaultText(
                language="en",
                name="Supply voltage too high",
                description="The supply voltage of the heat pump is above its upper limit.",
                advice="See whether the neighbouring houses measure it too, and look at the inverters' output voltage. If it is critical, switch the heat pump off until the voltage is normal.",
            ),
            FaultText(
                language="de",
                name="Versorgungsspannung zu hoch",
                description="Die Versorgungsspannung der Wärmepumpe liegt über der oberen Grenze.",
                advice="Nachsehen, ob auch die Nachbarhäuser sie messen, und die Ausgangsspannung der Wechselrichter ansehen. Ist sie kritisch, die Wärmepumpe ausschalten, bis die Spannung normal ist.",
            ),
            FaultText(
                language="pl",
                name="Zbyt wysokie napięcie zasilania",
                description="Napięcie zasilania pompy ciepła jest powyżej górnej granicy.",
                advice="Sprawdź, czy widać to także w sąsiednich domach, i sprawdź napięcie wyjściowe falowników. Jeśli stan jest krytyczny, wyłącz pompę ciepła, aż napięcie wróci do normy.",
            ),
        ),
    ),
    Condition(
        code="HP_VOLTAGE_LOW",
        category=FaultCategory.HEAT_PUMP,
        threshold="U < 215 V for 5 s, critical < 210 V",
        texts=(
            FaultText(
                language="en",
                name="Supply voltage too low",
                description="The supply voltage of the heat pump is below its lower limit.",
                advice="Switch off other large loads and see whether the neighbouring houses measure it too. If only the heat pump does, keep it off and have its supply cable and terminals checked.",
            ),
            FaultText(
                language="de",
                name="Versorgungsspannung zu niedrig",
                description="Die Versorgungsspannung der Wärmepumpe liegt unter der unteren Grenze.",
                advice="Andere große Verbraucher ausschalten und nachsehen, ob auch die Nachbarhäuser sie messen. Misst sie nur die Wärmepumpe, diese ausgeschaltet lassen und Zuleitung und Klemmen prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt niskie napięcie zasilania",
                description="Napięcie zasilania pompy ciepła jest poniżej dolnej granicy.",
                advice="Wyłącz inne duże odbiorniki i sprawdź, czy widać to także w sąsiednich domach. Jeśli tylko przy pompie ciepła, pozostaw ją wyłączoną i zleć sprawdzenie przewodu zasilającego i zacisków.",
            ),
        ),
    ),
)
