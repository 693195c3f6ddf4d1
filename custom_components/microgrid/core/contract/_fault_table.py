"""The fault catalogue as rows; generated from contract/faults.yaml by `script/generate faults`."""

# ruff: noqa: E501 - texts stay on one line, so that a changed text is one changed line

from __future__ import annotations

from .fault import Fault, FaultCategory, FaultText
from .messages import Severity

CATEGORY_NAMES: dict[FaultCategory, dict[str, str]] = {
    FaultCategory.INVERTER: {"en": "Inverter", "de": "Wechselrichter", "pl": "Falownik"},
    FaultCategory.BATTERY: {"en": "Battery", "de": "Batterie", "pl": "Akumulator"},
    FaultCategory.SOLAR: {"en": "Solar", "de": "Solar", "pl": "Fotowoltaika"},
    FaultCategory.COMMUNICATION: {"en": "Communication", "de": "Kommunikation", "pl": "Komunikacja"},
    FaultCategory.SYNCHRONISATION: {"en": "Synchronisation", "de": "Synchronisation", "pl": "Synchronizacja"},
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

ROWS = (
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
