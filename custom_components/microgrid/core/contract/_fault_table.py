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
        code="BATTERY_RELEASED",
        category=FaultCategory.BATTERY,
        threshold="left alone for 60 s",
        texts=(
            FaultText(
                language="en",
                name="Battery does not follow its schedule",
                description="The Pi has let go of the battery: a setting was changed by somebody else, writing failed, the inverter has a fault or does not answer.",
                advice="Read the condition that the event names and put it right. Then press resume writing, or restart the daemon.",
            ),
            FaultText(
                language="de",
                name="Batterie folgt ihrem Fahrplan nicht",
                description="Der Pi hat die Batterie losgelassen: Jemand änderte eine Einstellung, Schreiben schlug fehl, der Wechselrichter ist gestört oder schweigt.",
                advice="Die im Ereignis genannte Ursache lesen und beheben. Danach das Schreiben wieder freigeben oder den Dienst neu starten.",
            ),
            FaultText(
                language="pl",
                name="Akumulator nie realizuje harmonogramu",
                description="Pi zwolniło akumulator: ktoś zmienił ustawienie, zapis się nie powiódł albo falownik ma usterkę lub nie odpowiada.",
                advice="Przeczytaj przyczynę podaną w zdarzeniu i usuń ją. Potem zezwól ponownie na zapis lub uruchom ponownie usługę.",
            ),
        ),
    ),
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
    Condition(
        code="MPP_00",
        category=FaultCategory.SOLAR,
        threshold="QPIWS bit 0: a warning every night, never told",
        texts=(
            FaultText(
                language="en",
                name="No sun",
                description="The inverter measures no voltage of the solar panels. Every night does that, so no event tells of it.",
                advice="If it is so by day, look at the isolator and the fuses of the panels. Have the connectors checked by an electrician.",
            ),
            FaultText(
                language="de",
                name="Keine Sonne",
                description="Der Wechselrichter misst keine Spannung der Solarmodule. Das ist jede Nacht so, daher meldet es kein Ereignis.",
                advice="Ist es am Tag so, Trennschalter und Sicherungen der Module ansehen. Die Steckverbinder von einer Fachkraft prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Brak słońca",
                description="Falownik nie mierzy napięcia paneli. Tak jest każdej nocy, więc żadne zdarzenie o tym nie informuje.",
                advice="Jeśli dzieje się to w dzień, sprawdź rozłącznik i bezpieczniki paneli. Zleć elektrykowi sprawdzenie złączy.",
            ),
        ),
    ),
    Condition(
        code="MPP_01",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 1: a fault",
        texts=(
            FaultText(
                language="en",
                name="Inverter reports a fault",
                description="The inverter has a fault and has switched its output off; another code tells which one.",
                advice="Read the fault code on its display and look at the other active codes. Remove the cause before it is switched on again.",
            ),
            FaultText(
                language="de",
                name="Wechselrichter meldet Störung",
                description="Der Wechselrichter hat eine Störung und seinen Ausgang abgeschaltet; ein anderer Code sagt, welche.",
                advice="Den Störungscode am Display lesen und die anderen aktiven Codes ansehen. Vor dem Wiedereinschalten die Ursache beseitigen.",
            ),
            FaultText(
                language="pl",
                name="Falownik zgłasza usterkę",
                description="Falownik ma usterkę i wyłączył wyjście; inny kod mówi, jaką.",
                advice="Odczytaj kod usterki na wyświetlaczu i sprawdź pozostałe aktywne kody. Przed ponownym włączeniem usuń przyczynę.",
            ),
        ),
    ),
    Condition(
        code="MPP_02",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 2: a fault",
        texts=(
            FaultText(
                language="en",
                name="Internal bus voltage too high",
                description="The voltage of the inverter's internal bus rose above its limit.",
                advice="Restart it with little load. If it comes back, have the solar voltage and the unit checked by the service.",
            ),
            FaultText(
                language="de",
                name="Interne Busspannung zu hoch",
                description="Die Spannung des internen Zwischenkreises stieg über ihre Grenze.",
                advice="Mit wenig Last neu starten. Kommt es wieder, Solarspannung und Gerät vom Service prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt wysokie napięcie szyny wewnętrznej",
                description="Napięcie wewnętrznej szyny falownika wzrosło powyżej granicy.",
                advice="Uruchom ponownie z małym obciążeniem. Jeśli wróci, zleć serwisowi sprawdzenie napięcia paneli i urządzenia.",
            ),
        ),
    ),
    Condition(
        code="MPP_03",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 3: a fault",
        texts=(
            FaultText(
                language="en",
                name="Internal bus voltage too low",
                description="The voltage of the inverter's internal bus fell below its limit.",
                advice="Reduce the load and look at the battery voltage. If it comes back, have the battery connections and the unit checked.",
            ),
            FaultText(
                language="de",
                name="Interne Busspannung zu niedrig",
                description="Die Spannung des internen Zwischenkreises fiel unter ihre Grenze.",
                advice="Last verringern und die Batteriespannung ansehen. Kommt es wieder, Batterieanschlüsse und Gerät prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt niskie napięcie szyny wewnętrznej",
                description="Napięcie wewnętrznej szyny falownika spadło poniżej granicy.",
                advice="Zmniejsz obciążenie i sprawdź napięcie akumulatora. Jeśli wróci, zleć sprawdzenie przyłączy akumulatora i urządzenia.",
            ),
        ),
    ),
    Condition(
        code="MPP_04",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 4: a fault",
        texts=(
            FaultText(
                language="en",
                name="Internal bus does not start",
                description="The internal bus did not reach its voltage when the inverter started.",
                advice="Switch it off, wait five minutes and start it without load. If it comes back, the unit needs the service.",
            ),
            FaultText(
                language="de",
                name="Interner Bus startet nicht",
                description="Der interne Zwischenkreis erreichte beim Start seine Spannung nicht.",
                advice="Ausschalten, fünf Minuten warten und ohne Last starten. Kommt es wieder, braucht das Gerät den Service.",
            ),
            FaultText(
                language="pl",
                name="Szyna wewnętrzna nie startuje",
                description="Szyna wewnętrzna nie osiągnęła swojego napięcia podczas startu falownika.",
                advice="Wyłącz, odczekaj pięć minut i uruchom bez obciążenia. Jeśli wróci, urządzenie wymaga serwisu.",
            ),
        ),
    ),
    Condition(
        code="MPP_05",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 5: a warning",
        texts=(
            FaultText(
                language="en",
                name="Grid lost",
                description="The inverter sees no grid, or one out of its range; it feeds the load from the battery and the sun.",
                advice="See whether the neighbours have grid, and look at the breaker of its input. Save energy until the grid is back.",
            ),
            FaultText(
                language="de",
                name="Netz ausgefallen",
                description="Der Wechselrichter sieht kein Netz oder eines außerhalb seines Bereichs; er versorgt die Last aus Batterie und Sonne.",
                advice="Nachsehen, ob die Nachbarn Netz haben, und die Sicherung am Eingang ansehen. Energie sparen, bis das Netz zurück ist.",
            ),
            FaultText(
                language="pl",
                name="Zanik sieci",
                description="Falownik nie widzi sieci lub jest ona poza zakresem; zasila odbiorniki z akumulatora i słońca.",
                advice="Sprawdź, czy sąsiedzi mają sieć, i obejrzyj bezpiecznik wejścia. Oszczędzaj energię do powrotu sieci.",
            ),
        ),
    ),
    Condition(
        code="MPP_06",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 6: a fault; with HS and PI41 a warning",
        texts=(
            FaultText(
                language="en",
                name="Short circuit at the output",
                description="The inverter saw a short circuit at its output.",
                advice="Switch it off and have the wiring behind it and every load checked. Do not switch it on before that.",
            ),
            FaultText(
                language="de",
                name="Kurzschluss am Ausgang",
                description="Der Wechselrichter hat an seinem Ausgang einen Kurzschluss erkannt.",
                advice="Ausschalten und die Leitungen dahinter und alle Verbraucher prüfen lassen. Vorher nicht wieder einschalten.",
            ),
            FaultText(
                language="pl",
                name="Zwarcie na wyjściu",
                description="Falownik wykrył zwarcie na swoim wyjściu.",
                advice="Wyłącz go i zleć sprawdzenie instalacji za nim oraz wszystkich odbiorników. Nie włączaj go wcześniej.",
            ),
        ),
    ),
    Condition(
        code="MPP_07",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 7: a fault",
        texts=(
            FaultText(
                language="en",
                name="Output voltage too low",
                description="The voltage that the inverter makes is below its limit.",
                advice="Switch off large loads and restart it. If it comes back without load, the unit needs the service.",
            ),
            FaultText(
                language="de",
                name="Ausgangsspannung zu niedrig",
                description="Die vom Wechselrichter erzeugte Spannung liegt unter ihrer Grenze.",
                advice="Große Verbraucher ausschalten und neu starten. Kommt es ohne Last wieder, braucht das Gerät den Service.",
            ),
            FaultText(
                language="pl",
                name="Zbyt niskie napięcie wyjściowe",
                description="Napięcie wytwarzane przez falownik jest poniżej granicy.",
                advice="Wyłącz duże odbiorniki i uruchom ponownie. Jeśli wróci bez obciążenia, urządzenie wymaga serwisu.",
            ),
        ),
    ),
    Condition(
        code="MPP_08",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 8: a fault",
        texts=(
            FaultText(
                language="en",
                name="Output voltage too high",
                description="The voltage that the inverter makes is above its limit.",
                advice="Switch it off: appliances may be damaged. The unit needs the service.",
            ),
            FaultText(
                language="de",
                name="Ausgangsspannung zu hoch",
                description="Die vom Wechselrichter erzeugte Spannung liegt über ihrer Grenze.",
                advice="Ausschalten: Geräte können Schaden nehmen. Der Wechselrichter braucht den Service.",
            ),
            FaultText(
                language="pl",
                name="Zbyt wysokie napięcie wyjściowe",
                description="Napięcie wytwarzane przez falownik jest powyżej granicy.",
                advice="Wyłącz go: urządzenia mogą ulec uszkodzeniu. Falownik wymaga serwisu.",
            ),
        ),
    ),
    Condition(
        code="MPP_09",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 9: a fault while bit 1 is set, else a warning",
        texts=(
            FaultText(
                language="en",
                name="Inverter too hot",
                description="The inverter is warmer than it may be.",
                advice="Free its air inlets of dust and objects and reduce the load. If its fan does not turn, switch it off.",
            ),
            FaultText(
                language="de",
                name="Wechselrichter zu heiß",
                description="Der Wechselrichter ist wärmer, als er sein darf.",
                advice="Lufteinlässe von Staub und Gegenständen befreien und die Last verringern. Dreht sich der Lüfter nicht, ausschalten.",
            ),
            FaultText(
                language="pl",
                name="Falownik zbyt gorący",
                description="Falownik jest cieplejszy, niż wolno.",
                advice="Oczyść wloty powietrza z kurzu i przedmiotów i zmniejsz obciążenie. Jeśli wentylator się nie obraca, wyłącz falownik.",
            ),
        ),
    ),
    Condition(
        code="MPP_10",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 10: a fault while bit 1 is set, else a warning",
        texts=(
            FaultText(
                language="en",
                name="Fan blocked",
                description="A fan of the inverter does not turn.",
                advice="Switch it off and remove what blocks the fan. If it still does not turn, have it replaced before it is loaded again.",
            ),
            FaultText(
                language="de",
                name="Lüfter blockiert",
                description="Ein Lüfter des Wechselrichters dreht sich nicht.",
                advice="Ausschalten und entfernen, was den Lüfter blockiert. Dreht er sich weiter nicht, vor neuer Last austauschen lassen.",
            ),
            FaultText(
                language="pl",
                name="Wentylator zablokowany",
                description="Wentylator falownika się nie obraca.",
                advice="Wyłącz falownik i usuń to, co blokuje wentylator. Jeśli nadal się nie obraca, zleć wymianę przed ponownym obciążeniem.",
            ),
        ),
    ),
    Condition(
        code="MPP_11",
        category=FaultCategory.BATTERY,
        threshold="QPIWS bit 11: a fault while bit 1 is set, else a warning",
        texts=(
            FaultText(
                language="en",
                name="Battery voltage too high",
                description="The voltage of the battery is above the limit of the inverter.",
                advice="Look for another charger at the same battery and compare the bulk voltage with the battery's data sheet. Lower it if it is too high.",
            ),
            FaultText(
                language="de",
                name="Batteriespannung zu hoch",
                description="Die Spannung der Batterie liegt über der Grenze des Wechselrichters.",
                advice="Nach einem anderen Ladegerät an derselben Batterie suchen und die Ladespannung mit dem Datenblatt vergleichen. Ist sie zu hoch, senken.",
            ),
            FaultText(
                language="pl",
                name="Zbyt wysokie napięcie akumulatora",
                description="Napięcie akumulatora przekracza granicę falownika.",
                advice="Sprawdź, czy inna ładowarka nie pracuje na tym samym akumulatorze, i porównaj napięcie ładowania z kartą katalogową. Obniż je, jeśli jest za wysokie.",
            ),
        ),
    ),
    Condition(
        code="MPP_12",
        category=FaultCategory.BATTERY,
        threshold="QPIWS bit 12: a warning",
        texts=(
            FaultText(
                language="en",
                name="Battery low",
                description="The voltage of the battery is near the cut-off voltage.",
                advice="Switch off what can wait, and charge the battery. If its state of charge is not low, have its connections checked.",
            ),
            FaultText(
                language="de",
                name="Batterie schwach",
                description="Die Spannung der Batterie ist nahe der Abschaltspannung.",
                advice="Ausschalten, was warten kann, und die Batterie laden. Ist der Ladestand nicht niedrig, die Anschlüsse prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Słaby akumulator",
                description="Napięcie akumulatora jest bliskie napięcia odcięcia.",
                advice="Wyłącz to, co może poczekać, i naładuj akumulator. Jeśli stan naładowania nie jest niski, zleć sprawdzenie przyłączy.",
            ),
        ),
    ),
    Condition(
        code="MPP_13",
        category=FaultCategory.BATTERY,
        threshold="QPIWS bit 13: reserved; with PI41 a fault",
        texts=(
            FaultText(
                language="en",
                name="Battery overcharged",
                description="The inverter reports that the battery was charged too far. Only models of the LV5048 family know this bit.",
                advice="Stop charging and compare the charging voltages with the battery's data sheet. Have the battery management checked.",
            ),
            FaultText(
                language="de",
                name="Batterie überladen",
                description="Der Wechselrichter meldet, dass die Batterie zu weit geladen wurde. Nur Modelle der Familie LV5048 kennen dieses Bit.",
                advice="Laden beenden und die Ladespannungen mit dem Datenblatt der Batterie vergleichen. Das Batteriemanagement prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Przeładowany akumulator",
                description="Falownik zgłasza przeładowanie akumulatora. Ten bit znają tylko modele z rodziny LV5048.",
                advice="Przerwij ładowanie i porównaj napięcia ładowania z kartą katalogową akumulatora. Zleć sprawdzenie BMS.",
            ),
        ),
    ),
    Condition(
        code="MPP_14",
        category=FaultCategory.BATTERY,
        threshold="QPIWS bit 14: a warning",
        texts=(
            FaultText(
                language="en",
                name="Battery under the cut-off voltage",
                description="The battery is so far discharged that the inverter switches its output off.",
                advice="Charge the battery before the loads are switched on again. A battery that stays empty for days is damaged.",
            ),
            FaultText(
                language="de",
                name="Batterie unter der Abschaltspannung",
                description="Die Batterie ist so weit entladen, dass der Wechselrichter seinen Ausgang abschaltet.",
                advice="Die Batterie laden, bevor Verbraucher wieder eingeschaltet werden. Bleibt sie tagelang leer, nimmt sie Schaden.",
            ),
            FaultText(
                language="pl",
                name="Akumulator poniżej napięcia odcięcia",
                description="Akumulator jest tak rozładowany, że falownik wyłącza wyjście.",
                advice="Naładuj akumulator przed ponownym włączeniem odbiorników. Akumulator pusty przez wiele dni ulega uszkodzeniu.",
            ),
        ),
    ),
    Condition(
        code="MPP_15",
        category=FaultCategory.BATTERY,
        threshold="QPIWS bit 15: a warning",
        texts=(
            FaultText(
                language="en",
                name="Battery power derated",
                description="The inverter limits its power because the voltage of the battery is low.",
                advice="Reduce the load and charge the battery. If its state of charge is not low, have the cross-section and the connections of its cables checked.",
            ),
            FaultText(
                language="de",
                name="Batterieleistung verringert",
                description="Der Wechselrichter begrenzt seine Leistung, weil die Batteriespannung niedrig ist.",
                advice="Last verringern und die Batterie laden. Ist der Ladestand nicht niedrig, Querschnitt und Anschlüsse der Kabel prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Ograniczona moc z akumulatora",
                description="Falownik ogranicza moc, bo napięcie akumulatora jest niskie.",
                advice="Zmniejsz obciążenie i naładuj akumulator. Jeśli stan naładowania nie jest niski, zleć sprawdzenie przekroju i połączeń kabli.",
            ),
        ),
    ),
    Condition(
        code="MPP_16",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 16: a fault while bit 1 is set, else a warning",
        texts=(
            FaultText(
                language="en",
                name="Overload",
                description="The load takes more power than the inverter can give.",
                advice="Switch off large loads. If it happens again and again, spread them over the day or over other inverters.",
            ),
            FaultText(
                language="de",
                name="Überlast",
                description="Die Last nimmt mehr Leistung auf, als der Wechselrichter geben kann.",
                advice="Große Verbraucher ausschalten. Geschieht es immer wieder, sie über den Tag oder auf andere Wechselrichter verteilen.",
            ),
            FaultText(
                language="pl",
                name="Przeciążenie",
                description="Obciążenie pobiera więcej mocy, niż falownik może oddać.",
                advice="Wyłącz duże odbiorniki. Jeśli się to powtarza, rozłóż je w ciągu dnia lub na inne falowniki.",
            ),
        ),
    ),
    Condition(
        code="MPP_17",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 17: a warning",
        texts=(
            FaultText(
                language="en",
                name="Memory of the settings damaged",
                description="The inverter cannot read or write the memory of its settings.",
                advice="Write its settings down and compare them with what they should be. Have the unit looked at by the service.",
            ),
            FaultText(
                language="de",
                name="Speicher der Einstellungen gestört",
                description="Der Wechselrichter kann den Speicher seiner Einstellungen nicht lesen oder beschreiben.",
                advice="Einstellungen notieren und mit den gewollten vergleichen. Das Gerät vom Service ansehen lassen.",
            ),
            FaultText(
                language="pl",
                name="Uszkodzona pamięć ustawień",
                description="Falownik nie może odczytać lub zapisać pamięci ustawień.",
                advice="Zapisz ustawienia i porównaj je z właściwymi. Zleć serwisowi sprawdzenie urządzenia.",
            ),
        ),
    ),
    Condition(
        code="MPP_18",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 18: a fault",
        texts=(
            FaultText(
                language="en",
                name="Inverter overcurrent",
                description="The current in the power stage of the inverter was too high.",
                advice="Switch off the loads and restart it. If it comes back without load, the unit needs the service.",
            ),
            FaultText(
                language="de",
                name="Überstrom im Wechselrichter",
                description="Der Strom in der Leistungsstufe des Wechselrichters war zu hoch.",
                advice="Verbraucher ausschalten und neu starten. Kommt es ohne Last wieder, braucht das Gerät den Service.",
            ),
            FaultText(
                language="pl",
                name="Nadmierny prąd w falowniku",
                description="Prąd w stopniu mocy falownika był zbyt duży.",
                advice="Wyłącz odbiorniki i uruchom ponownie. Jeśli wróci bez obciążenia, urządzenie wymaga serwisu.",
            ),
        ),
    ),
    Condition(
        code="MPP_19",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 19: a fault",
        texts=(
            FaultText(
                language="en",
                name="Inverter does not start",
                description="The output voltage did not rise as it should when the inverter started.",
                advice="Disconnect all loads and start it again. If it comes back, the unit needs the service.",
            ),
            FaultText(
                language="de",
                name="Wechselrichter startet nicht",
                description="Beim Start stieg die Ausgangsspannung nicht an, wie sie sollte.",
                advice="Alle Verbraucher trennen und neu starten. Kommt es wieder, braucht das Gerät den Service.",
            ),
            FaultText(
                language="pl",
                name="Falownik nie startuje",
                description="Podczas startu napięcie wyjściowe nie narastało prawidłowo.",
                advice="Odłącz wszystkie odbiorniki i uruchom ponownie. Jeśli wróci, urządzenie wymaga serwisu.",
            ),
        ),
    ),
    Condition(
        code="MPP_20",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 20: a fault",
        texts=(
            FaultText(
                language="en",
                name="Self-test failed",
                description="The inverter found something wrong with itself when it started.",
                advice="Switch it off for five minutes and on again. If it comes back, the unit needs the service.",
            ),
            FaultText(
                language="de",
                name="Selbsttest fehlgeschlagen",
                description="Der Wechselrichter hat beim Start einen Fehler an sich gefunden.",
                advice="Fünf Minuten ausschalten und wieder einschalten. Kommt es wieder, braucht das Gerät den Service.",
            ),
            FaultText(
                language="pl",
                name="Nieudany autotest",
                description="Falownik wykrył podczas startu własną nieprawidłowość.",
                advice="Wyłącz go na pięć minut i włącz ponownie. Jeśli wróci, urządzenie wymaga serwisu.",
            ),
        ),
    ),
    Condition(
        code="MPP_21",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 21: a fault",
        texts=(
            FaultText(
                language="en",
                name="Direct voltage at the output",
                description="There is direct voltage in the alternating voltage of the output, which motors and transformers do not bear.",
                advice="Switch it off and leave it off. The unit needs the service.",
            ),
            FaultText(
                language="de",
                name="Gleichspannung am Ausgang",
                description="In der Wechselspannung am Ausgang ist Gleichspannung, die Motoren und Transformatoren nicht vertragen.",
                advice="Ausschalten und ausgeschaltet lassen. Das Gerät braucht den Service.",
            ),
            FaultText(
                language="pl",
                name="Napięcie stałe na wyjściu",
                description="W napięciu przemiennym na wyjściu jest składowa stała, której nie znoszą silniki i transformatory.",
                advice="Wyłącz falownik i pozostaw wyłączony. Urządzenie wymaga serwisu.",
            ),
        ),
    ),
    Condition(
        code="MPP_22",
        category=FaultCategory.BATTERY,
        threshold="QPIWS bit 22: a fault",
        texts=(
            FaultText(
                language="en",
                name="Battery disconnected",
                description="The inverter finds no battery at its terminals.",
                advice="Look at the battery's breaker and at the state of its management. Have fuse and cables checked before it is connected again.",
            ),
            FaultText(
                language="de",
                name="Batterie getrennt",
                description="Der Wechselrichter findet an seinen Klemmen keine Batterie.",
                advice="Batterieschalter und Zustand des Batteriemanagements ansehen. Vor dem Zuschalten Sicherung und Kabel prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Odłączony akumulator",
                description="Falownik nie wykrywa akumulatora na zaciskach.",
                advice="Sprawdź wyłącznik akumulatora i stan BMS. Przed ponownym podłączeniem zleć sprawdzenie bezpiecznika i kabli.",
            ),
        ),
    ),
    Condition(
        code="MPP_23",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 23: a fault",
        texts=(
            FaultText(
                language="en",
                name="Current sensor defective",
                description="A current sensor in the inverter gives values that cannot be true.",
                advice="Restart it once without load. If it comes back, the unit needs the service.",
            ),
            FaultText(
                language="de",
                name="Stromsensor defekt",
                description="Ein Stromsensor im Wechselrichter liefert Werte, die nicht stimmen können.",
                advice="Einmal ohne Last neu starten. Kommt es wieder, braucht das Gerät den Service.",
            ),
            FaultText(
                language="pl",
                name="Uszkodzony czujnik prądu",
                description="Czujnik prądu w falowniku podaje niemożliwe wartości.",
                advice="Uruchom raz ponownie bez obciążenia. Jeśli wróci, urządzenie wymaga serwisu.",
            ),
        ),
    ),
    Condition(
        code="MPP_24",
        category=FaultCategory.BATTERY,
        threshold="QPIWS bit 24: a fault",
        texts=(
            FaultText(
                language="en",
                name="Battery short circuit",
                description="The inverter saw a short circuit on the side of the battery.",
                advice="Keep away from the battery and open its breaker if that is safe. Call an electrician, and the fire service if there is smoke.",
            ),
            FaultText(
                language="de",
                name="Kurzschluss der Batterie",
                description="Der Wechselrichter hat auf der Batterieseite einen Kurzschluss erkannt.",
                advice="Abstand zur Batterie halten und ihren Schalter öffnen, wenn das gefahrlos geht. Eine Fachkraft rufen, bei Rauch die Feuerwehr.",
            ),
            FaultText(
                language="pl",
                name="Zwarcie akumulatora",
                description="Falownik wykrył zwarcie po stronie akumulatora.",
                advice="Zachowaj odstęp od akumulatora i otwórz jego wyłącznik, jeśli jest to bezpieczne. Wezwij elektryka, a przy dymie straż pożarną.",
            ),
        ),
    ),
    Condition(
        code="MPP_25",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 25: a warning",
        texts=(
            FaultText(
                language="en",
                name="Power limited",
                description="The inverter gives less power than it is asked for, because it is warm or because of the battery or the panels.",
                advice="Look at its temperature and at the battery voltage. Reduce the load until the warning is gone.",
            ),
            FaultText(
                language="de",
                name="Leistung begrenzt",
                description="Der Wechselrichter gibt weniger Leistung als verlangt, weil er warm ist oder wegen Batterie oder Modulen.",
                advice="Temperatur und Batteriespannung ansehen. Last verringern, bis die Warnung vorbei ist.",
            ),
            FaultText(
                language="pl",
                name="Ograniczona moc",
                description="Falownik oddaje mniej mocy, niż się od niego żąda: jest ciepły albo przyczyną są akumulator lub panele.",
                advice="Sprawdź temperaturę i napięcie akumulatora. Zmniejsz obciążenie, aż ostrzeżenie zniknie.",
            ),
        ),
    ),
    Condition(
        code="MPP_26",
        category=FaultCategory.SOLAR,
        threshold="QPIWS bit 26: a warning",
        texts=(
            FaultText(
                language="en",
                name="Panel voltage too high",
                description="The solar panels deliver more voltage than the input of the inverter allows.",
                advice="Do not open the connectors in sunlight. Have the number of panels in series checked before the next cold morning.",
            ),
            FaultText(
                language="de",
                name="Modulspannung zu hoch",
                description="Die Solarmodule liefern mehr Spannung, als der Eingang des Wechselrichters erlaubt.",
                advice="Steckverbinder nicht bei Sonne öffnen. Die Zahl der Module in Reihe vor dem nächsten kalten Morgen prüfen lassen.",
            ),
            FaultText(
                language="pl",
                name="Zbyt wysokie napięcie paneli",
                description="Panele dostarczają wyższe napięcie, niż dopuszcza wejście falownika.",
                advice="Nie rozłączaj złączy w słońcu. Zleć sprawdzenie liczby paneli w szeregu przed następnym zimnym porankiem.",
            ),
        ),
    ),
    Condition(
        code="MPP_27",
        category=FaultCategory.SOLAR,
        threshold="QPIWS bit 27: a fault; with HS and PI41 a warning",
        texts=(
            FaultText(
                language="en",
                name="Solar charger stopped by overload",
                description="The solar charger of the inverter was overloaded and has stopped.",
                advice="Wait until it starts by itself. If it comes back, have the power and the current of the panels compared with the data sheet.",
            ),
            FaultText(
                language="de",
                name="Solarladeregler durch Überlast gestoppt",
                description="Der Solarladeregler des Wechselrichters war überlastet und hat angehalten.",
                advice="Warten, bis er von selbst startet. Kommt es wieder, Leistung und Strom der Module mit dem Datenblatt vergleichen lassen.",
            ),
            FaultText(
                language="pl",
                name="Regulator ładowania zatrzymany przeciążeniem",
                description="Regulator ładowania falownika był przeciążony i się zatrzymał.",
                advice="Poczekaj, aż uruchomi się sam. Jeśli wróci, zleć porównanie mocy i prądu paneli z kartą katalogową.",
            ),
        ),
    ),
    Condition(
        code="MPP_28",
        category=FaultCategory.SOLAR,
        threshold="QPIWS bit 28: a warning",
        texts=(
            FaultText(
                language="en",
                name="Solar charger at its limit",
                description="The solar charger of the inverter is overloaded and limits its power.",
                advice="Nothing has to be done at once. If it happens every noon, there are more panels than the charger can use.",
            ),
            FaultText(
                language="de",
                name="Solarladeregler an seiner Grenze",
                description="Der Solarladeregler des Wechselrichters ist überlastet und begrenzt seine Leistung.",
                advice="Sofort ist nichts zu tun. Geschieht es jeden Mittag, sind mehr Module da, als der Laderegler nutzen kann.",
            ),
            FaultText(
                language="pl",
                name="Regulator ładowania na granicy",
                description="Regulator ładowania falownika jest przeciążony i ogranicza moc.",
                advice="Nie trzeba działać od razu. Jeśli dzieje się to w każde południe, paneli jest więcej, niż regulator może wykorzystać.",
            ),
        ),
    ),
    Condition(
        code="MPP_29",
        category=FaultCategory.BATTERY,
        threshold="QPIWS bit 29: a warning",
        texts=(
            FaultText(
                language="en",
                name="Battery too low to be charged",
                description="The voltage of the battery is so low that the inverter does not charge it.",
                advice="Have the battery management woken up or the battery charged with a suitable charger by an electrician. Do not force it.",
            ),
            FaultText(
                language="de",
                name="Batterie zu tief entladen zum Laden",
                description="Die Spannung der Batterie ist so niedrig, dass der Wechselrichter sie nicht lädt.",
                advice="Das Batteriemanagement von einer Fachkraft wecken oder die Batterie mit einem passenden Ladegerät laden lassen. Nichts erzwingen.",
            ),
            FaultText(
                language="pl",
                name="Akumulator zbyt słaby do ładowania",
                description="Napięcie akumulatora jest tak niskie, że falownik go nie ładuje.",
                advice="Zleć elektrykowi wybudzenie BMS lub naładowanie akumulatora odpowiednią ładowarką. Niczego nie wymuszaj.",
            ),
        ),
    ),
    Condition(
        code="MPP_30",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 30: a fault; with PI41 a warning",
        texts=(
            FaultText(
                language="en",
                name="Converter overcurrent",
                description="The current of the converter between battery and bus was too high; a unit of the LV5048 family warns of its second processor.",
                advice="Reduce load and charging current and restart it. If it comes back, the unit needs the service.",
            ),
            FaultText(
                language="de",
                name="Überstrom im Gleichstromwandler",
                description="Der Strom im Wandler zwischen Batterie und Bus war zu hoch; Geräte der Familie LV5048 warnen so vor ihrem zweiten Prozessor.",
                advice="Last und Ladestrom verringern und neu starten. Kommt es wieder, braucht das Gerät den Service.",
            ),
            FaultText(
                language="pl",
                name="Nadmierny prąd przetwornicy",
                description="Prąd przetwornicy między akumulatorem a szyną był zbyt duży; w rodzinie LV5048 ostrzeżenie dotyczy drugiego procesora.",
                advice="Zmniejsz obciążenie i prąd ładowania i uruchom ponownie. Jeśli wróci, urządzenie wymaga serwisu.",
            ),
        ),
    ),
    Condition(
        code="MPP_31",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 31: its meaning differs from model to model, never told",
        texts=(
            FaultText(
                language="en",
                name="Message 31 of the model",
                description="Bit 31 of the warnings, which models use for different things: for a digit of the fault code or for a flag. No event tells of it.",
                advice="Read the code on the inverter's display. Its manual says what it means.",
            ),
            FaultText(
                language="de",
                name="Meldung 31 des Modells",
                description="Bit 31 der Warnungen, das Modelle verschieden nutzen: als Ziffer des Störungscodes oder als Merker. Kein Ereignis meldet es.",
                advice="Den Code am Display des Wechselrichters lesen. Sein Handbuch sagt, was er bedeutet.",
            ),
            FaultText(
                language="pl",
                name="Komunikat 31 modelu",
                description="Bit 31 ostrzeżeń, używany przez modele różnie: jako cyfra kodu usterki lub znacznik. Żadne zdarzenie o nim nie informuje.",
                advice="Odczytaj kod na wyświetlaczu falownika. Jego znaczenie podaje instrukcja.",
            ),
        ),
    ),
    Condition(
        code="MPP_32",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 32: its meaning differs from model to model, never told",
        texts=(
            FaultText(
                language="en",
                name="Message 32 of the model",
                description="Bit 32 of the warnings, which models use for different things: for a digit of the fault code or for a flag. No event tells of it.",
                advice="Read the code on the inverter's display. Its manual says what it means.",
            ),
            FaultText(
                language="de",
                name="Meldung 32 des Modells",
                description="Bit 32 der Warnungen, das Modelle verschieden nutzen: als Ziffer des Störungscodes oder als Merker. Kein Ereignis meldet es.",
                advice="Den Code am Display des Wechselrichters lesen. Sein Handbuch sagt, was er bedeutet.",
            ),
            FaultText(
                language="pl",
                name="Komunikat 32 modelu",
                description="Bit 32 ostrzeżeń, używany przez modele różnie: jako cyfra kodu usterki lub znacznik. Żadne zdarzenie o nim nie informuje.",
                advice="Odczytaj kod na wyświetlaczu falownika. Jego znaczenie podaje instrukcja.",
            ),
        ),
    ),
    Condition(
        code="MPP_33",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 33: its meaning differs from model to model, never told",
        texts=(
            FaultText(
                language="en",
                name="Message 33 of the model",
                description="Bit 33 of the warnings, which models use for different things: for a digit of the fault code or for a flag. No event tells of it.",
                advice="Read the code on the inverter's display. Its manual says what it means.",
            ),
            FaultText(
                language="de",
                name="Meldung 33 des Modells",
                description="Bit 33 der Warnungen, das Modelle verschieden nutzen: als Ziffer des Störungscodes oder als Merker. Kein Ereignis meldet es.",
                advice="Den Code am Display des Wechselrichters lesen. Sein Handbuch sagt, was er bedeutet.",
            ),
            FaultText(
                language="pl",
                name="Komunikat 33 modelu",
                description="Bit 33 ostrzeżeń, używany przez modele różnie: jako cyfra kodu usterki lub znacznik. Żadne zdarzenie o nim nie informuje.",
                advice="Odczytaj kod na wyświetlaczu falownika. Jego znaczenie podaje instrukcja.",
            ),
        ),
    ),
    Condition(
        code="MPP_34",
        category=FaultCategory.INVERTER,
        threshold="QPIWS bit 34: a warning",
        texts=(
            FaultText(
                language="en",
                name="Input voltage high while starting",
                description="The voltage of the grid or of a generator was too high while the inverter started on it.",
                advice="Measure the input voltage and look at the generator's regulator. It tries again by itself.",
            ),
            FaultText(
                language="de",
                name="Eingangsspannung beim Start hoch",
                description="Die Spannung von Netz oder Generator war zu hoch, während der Wechselrichter sich zuschaltete.",
                advice="Eingangsspannung messen und den Regler des Generators ansehen. Er versucht es von selbst wieder.",
            ),
            FaultText(
                language="pl",
                name="Wysokie napięcie wejściowe przy starcie",
                description="Napięcie sieci lub agregatu było zbyt wysokie, gdy falownik się do niego przyłączał.",
                advice="Zmierz napięcie wejściowe i sprawdź regulator agregatu. Falownik sam spróbuje ponownie.",
            ),
        ),
    ),
    Condition(
        code="MPP_35",
        category=FaultCategory.BATTERY,
        threshold="QPIWS bit 35: a warning",
        texts=(
            FaultText(
                language="en",
                name="Battery is being equalized",
                description="The inverter charges the battery with a higher voltage to equalize it, which is for lead batteries only.",
                advice="With a lithium battery switch equalization off at once. With a lead battery see that the room is aired.",
            ),
            FaultText(
                language="de",
                name="Ausgleichsladung läuft",
                description="Der Wechselrichter lädt die Batterie zum Ausgleich mit höherer Spannung, was nur für Bleibatterien gedacht ist.",
                advice="Bei einer Lithiumbatterie die Ausgleichsladung sofort ausschalten. Bei einer Bleibatterie auf Lüftung des Raums achten.",
            ),
            FaultText(
                language="pl",
                name="Trwa ładowanie wyrównawcze",
                description="Falownik ładuje akumulator wyższym napięciem w celu wyrównania, co jest przeznaczone tylko dla akumulatorów ołowiowych.",
                advice="Przy akumulatorze litowym natychmiast wyłącz ładowanie wyrównawcze. Przy ołowiowym zadbaj o wietrzenie pomieszczenia.",
            ),
        ),
    ),
    Condition(
        code="SETTING_CHANGED",
        category=FaultCategory.INVERTER,
        threshold="at the next look",
        texts=(
            FaultText(
                language="en",
                name="Setting changed by somebody else",
                description="Somebody has changed a setting of the inverter while a schedule held it. The new value stays and is not restored over.",
                advice="If that was you, press resume writing when schedules shall go on. If not, find out what else writes to the inverter.",
            ),
            FaultText(
                language="de",
                name="Einstellung von anderen geändert",
                description="Jemand hat eine Einstellung des Wechselrichters geändert, während ein Fahrplan sie hielt. Der neue Wert bleibt und wird nicht überschrieben.",
                advice="War das Absicht, das Schreiben wieder freigeben, wenn Fahrpläne weitergehen sollen. Wenn nicht, herausfinden, was sonst zum Wechselrichter schreibt.",
            ),
            FaultText(
                language="pl",
                name="Ustawienie zmienione przez kogoś innego",
                description="Ktoś zmienił ustawienie falownika, gdy trzymał je harmonogram. Nowa wartość pozostaje i nie jest nadpisywana.",
                advice="Jeśli to celowe, zezwól ponownie na zapis, gdy harmonogramy mają działać dalej. Jeśli nie, ustal, co jeszcze zapisuje do falownika.",
            ),
        ),
    ),
)
