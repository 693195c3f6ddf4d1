"""The causes of faults in Polish: meaning and first checks, by the id of the cause."""

# ruff: noqa: E501 - texts stay on one line, so that a changed text is one changed line

from __future__ import annotations

CAUSES_PL: dict[str, tuple[str, tuple[str, ...]]] = {
    "F001.own_load_inrush": (
        "Odbiornik w samym domu pobrał przez chwilę duży prąd, przy rozruchu albo przez zwarcie",
        (
            "Ustal, które urządzenie włączono w tym czasie.",
            "Uruchamiaj duże silniki łagodnie lub jeden po drugim.",
            "Sprawdź obwody domu pod kątem zwarcia.",
        ),
    ),
    "F001.bridge_fault": (
        "Stopień mocy falownika sam pobierał prąd: nie wziął go ani dom, ani sąsiad",
        ("Pozostaw falownik wyłączony.", "Zleć pomiar tranzystorów mocy i ich sterowników."),
    ),
    "F001.current_sensor": (
        "Czujnik prądu falownika pokazał prąd, który nie płynął",
        ("Sprawdź wtyczkę przekładnika prądowego.", "Porównaj wskazanie z miernikiem cęgowym."),
    ),
    "F001.neighbour_trip": (
        "Falownik sąsiada wyłączył się, a jego obciążenie spadło na ten",
        (
            "Ustal, dlaczego falownik sąsiada się wyłączył; ten jest sprawny.",
            "Sprawdź, czy pozostałe domy mogą przejąć obciążenie.",
        ),
    ),
    "F001.droop_mismatch": (
        "Falownik z błędnym statyzmem wymuszał prąd krążący między domami",
        (
            "Porównaj częstotliwość biegu jałowego i statyzm wskazanego falownika z sąsiednimi.",
            "Ustaw obie wartości takie jak w klastrze.",
        ),
    ),
    "F002.voltage_regulator": (
        "Własna regulacja napięcia falownika wymknęła się spod kontroli",
        ("Pozostaw falownik wyłączony.", "Zleć sprawdzenie pomiaru napięcia i regulatora."),
    ),
    "F002.own_load_dump": (
        "Duży odbiornik domu wyłączył się i napięcie skoczyło w górę",
        ("Ustal, które urządzenie wyłączono.", "Sprawdź czas ustalania regulacji napięcia."),
    ),
    "F002.cluster_load_dump": (
        "Duży odbiornik u sąsiada wyłączył się i podniósł napięcie klastra",
        (
            "Ustal, co wyłączono we wskazanym domu.",
            "Sprawdź, czy statyzm napięciowy domów nie jest za mały.",
        ),
    ),
    "F002.swarm_load_dump": (
        "Za bramą ubyło obciążenia, co podniosło napięcie całego klastra",
        (
            "Zapytaj sąsiedni klaster, co wyłączono.",
            "Obejrzyj napięcie i moc bramy w tym czasie.",
        ),
    ),
    "F002.neighbour_regulator": (
        "Regulacja napięcia falownika sąsiada wymknęła się spod kontroli i podniosła napięcie klastra",
        ("Wyłącz wskazany falownik.", "Zleć sprawdzenie jego pomiaru napięcia."),
    ),
    "F002.voltage_sensor": (
        "Pomiar napięcia falownika był błędny; sąsiedzi niczego nie widzieli",
        ("Zmierz wyjście innym miernikiem.", "Sprawdź dzielnik i wtyczkę pomiaru napięcia."),
    ),
    "F003.dc_sag": (
        "Szyna DC opadła tak bardzo, że falownik nie mógł wytworzyć pełnego napięcia",
        (
            "Sprawdź stan naładowania i najniższe ogniwo.",
            "Sprawdź połączenia i bezpiecznik akumulatora.",
        ),
    ),
    "F003.own_overload": (
        "Dom pobierał więcej, niż jego falownik może dać przy pełnym napięciu",
        ("Wyłącz duże odbiorniki.", "Ustal, co włączono w tym czasie."),
    ),
    "F003.cluster_overload": (
        "Obciążenie u sąsiada obniżyło napięcie klastra",
        (
            "Ustal, co włączono we wskazanym domu.",
            "Sprawdź, czy wszystkie falowniki klastra pracowały.",
        ),
    ),
    "F003.line_short": (
        "Zwarcie na linii w pobliżu innego domu obniżyło napięcie",
        (
            "Obejrzyj linię w pobliżu wskazanego domu pod kątem uszkodzeń.",
            "Przed włączeniem zmierz jej izolację.",
        ),
    ),
    "F003.voltage_sensor": (
        "Pomiar napięcia falownika był błędny; sąsiedzi niczego nie widzieli",
        ("Zmierz wyjście innym miernikiem.", "Sprawdź dzielnik i wtyczkę pomiaru napięcia."),
    ),
    "F004.cooling": (
        "Stopień mocy jest źle chłodzony: wentylator, radiator lub wlot powietrza",
        (
            "Sprawdź, czy wentylator się obraca.",
            "Oczyść radiator i wlot powietrza.",
            "Wymień pastę termoprzewodzącą, jeśli nadal jest gorący.",
        ),
    ),
    "F004.export": (
        "Falownik zbyt długo zasilał sąsiada, który dawał za mało, i nagrzał się od samej mocy",
        (
            "Sprawdź, dlaczego wskazany dom dawał tak mało.",
            "Ogranicz moc oddawaną do klastra.",
        ),
    ),
    "F004.sensor": (
        "Czujnik temperatury skoczył szybciej, niż metal może się nagrzać",
        ("Sprawdź wtyczkę i przewód czujnika.", "Porównaj z drugim czujnikiem."),
    ),
    "F005.mppt_regulation": (
        "Regulator solarny podniósł napięcie szyny, choć akumulator był podłączony",
        (
            "Sprawdź ustawienia napięcia regulatora.",
            "Pozostaw regulator wyłączony do czasu sprawdzenia.",
        ),
    ),
    "F005.battery_disconnected": (
        "System zarządzania akumulatorem otworzył łącznik, gdy regulator ładował",
        (
            "Sprawdź, dlaczego się otworzył: ogniwa, temperatura, prąd.",
            "Wyłącz regulator, zanim akumulator zostanie ponownie podłączony.",
        ),
    ),
    "F005.backfeed": (
        "Nadwyżka z klastra popłynęła przez falownik z powrotem i podniosła napięcie szyny",
        (
            "Znajdź dom, który oddawał nadwyżkę.",
            "Sprawdź częstotliwość biegu jałowego i granicę ładowania.",
        ),
    ),
    "F005.sensor": (
        "Pomiar szyny DC był błędny; ogniwa nie poszły za nim",
        ("Zmierz szynę innym miernikiem.", "Sprawdź dzielnik i wtyczkę pomiaru."),
    ),
    "F006.low_charge": (
        "Akumulator jest pusty: wszystkie ogniwa są jednakowo niskie",
        ("Naładuj akumulator.", "Podnieś granicę, przy której dom przestaje rozładowywać."),
    ),
    "F006.weak_cell": (
        "Jedno ogniwo ugina się pod obciążeniem i ciągnie szynę w dół",
        (
            "Zleć sprawdzenie pojemności i rezystancji wskazanego ogniwa.",
            "Do tego czasu zmniejsz prąd rozładowania.",
        ),
    ),
    "F006.loose_busbar": (
        "Złe połączenie między akumulatorem a falownikiem traci napięcie; ogniwa są sprawne",
        (
            "Przy wyłączonej instalacji dokręć szyny, końcówki i bezpiecznik.",
            "Szukaj przebarwionych lub ciepłych połączeń.",
        ),
    ),
    "F006.export_after_trip": (
        "Falownik sąsiada wyłączył się, a akumulator nie zdołał udźwignąć także jego obciążenia",
        (
            "Ustal, dlaczego falownik sąsiada się wyłączył.",
            "Ogranicz moc oddawaną do klastra przy niskim naładowaniu.",
        ),
    ),
    "F006.sensor": (
        "Pomiar szyny DC był błędny; ogniwa nie poszły za nim",
        ("Zmierz szynę innym miernikiem.", "Sprawdź dzielnik i wtyczkę pomiaru."),
    ),
    "F010.weak_cell": (
        "Jedno ogniwo jest pełne przed innymi: ma mniejszą pojemność albo jest rozbalansowane",
        (
            "Pozwól akumulatorowi wyrównać się przy małym prądzie.",
            "Zleć sprawdzenie pojemności wskazanego ogniwa.",
        ),
    ),
    "F010.overcharge": (
        "Regulator solarny ładował dalej pełny akumulator: wszystkie ogniwa są wysokie",
        ("Sprawdź napięcie końca ładowania regulatora i jego łącze z systemem zarządzania akumulatorem.",),
    ),
    "F010.backfeed": (
        "Nadwyżka z klastra ładowała przez falownik pełny akumulator",
        ("Znajdź dom, który oddawał nadwyżkę.", "Sprawdź granicę ładowania falownika."),
    ),
    "F010.sense_wire": (
        "Przewód pomiarowy ogniwa ma zły styk: odczyt jest błędny, a suma ogniw nie zgadza się z szyną",
        ("Sprawdź przewód pomiarowy i wtyczkę wskazanego ogniwa oraz sąsiedniego.",),
    ),
    "F011.weak_cell": (
        "Jedno ogniwo jest puste przed innymi albo ugina się pod obciążeniem",
        (
            "Zleć sprawdzenie pojemności i rezystancji wskazanego ogniwa.",
            "Do tego czasu zmniejsz prąd rozładowania.",
        ),
    ),
    "F011.deep_discharge": (
        "Własne obciążenie domu opróżniło cały akumulator: wszystkie ogniwa są niskie",
        ("Naładuj akumulator.", "Podnieś granicę, przy której dom przestaje rozładowywać."),
    ),
    "F011.export": (
        "Zasilanie sąsiadów opróżniło cały akumulator: wszystkie ogniwa są niskie",
        (
            "Sprawdź, dlaczego wskazany dom pobierał tak dużo.",
            "Podnieś stan naładowania, przy którym dom przestaje oddawać.",
        ),
    ),
    "F011.sense_wire": (
        "Przewód pomiarowy ogniwa ma zły styk: odczyt jest błędny, a suma ogniw nie zgadza się z szyną",
        ("Sprawdź przewód pomiarowy i wtyczkę wskazanego ogniwa oraz sąsiedniego.",),
    ),
    "F012.cooling": (
        "Akumulator nie pozbywa się swojego zwykłego ciepła",
        ("Sprawdź wentylację i odstępy między ogniwami.",),
    ),
    "F012.cell_short": (
        "Ogniwo nagrzewa się bez prądu: zwarcie wewnętrzne",
        (
            "Przerwij ładowanie i rozładowanie i trzymaj się z daleka.",
            "Zleć obejrzenie miejsca wskazanego ogniwa z daleka kamerą termowizyjną.",
        ),
    ),
    "F012.overcurrent": (
        "Duży prąd płynący długo, głównie dla sąsiadów, nagrzał akumulator",
        ("Ogranicz prąd lub moc oddawaną do klastra.",),
    ),
    "F012.ambient": (
        "W pomieszczeniu jest za gorąco lub za zimno; akumulator idzie za nim",
        ("Sprawdź temperaturę pomieszczenia.", "Ociepl je, ogrzej lub przewietrz."),
    ),
    "F012.sensor": (
        "Czujnik temperatury skoczył lub jest uszkodzony; inne niczego nie widziały",
        ("Sprawdź wtyczkę i przewód wskazanego czujnika.",),
    ),
    "F013.mppt_overcurrent": (
        "Regulator solarny dał większy prąd, niż akumulator może przyjąć",
        (
            "Obniż granicę prądu regulatora.",
            "Sprawdź jego łącze z systemem zarządzania akumulatorem.",
        ),
    ),
    "F013.surplus": (
        "Falownik przyjął nadwyżkę z klastra",
        (
            "Znajdź dom, który oddawał nadwyżkę lub stracił obciążenie.",
            "Obniż granicę ładowania falownika.",
        ),
    ),
    "F013.current_sensor": (
        "Czujnik prądu akumulatora pokazuje źle: regulator i falownik nie wyjaśniają tego prądu",
        ("Ustaw zero czujnika w spoczynku.", "Porównaj z miernikiem cęgowym."),
    ),
    "F014.own_overload": (
        "Obciążenie samego domu pobierało za dużo z akumulatora",
        ("Wyłącz duże odbiorniki.", "Ustal, co włączono w tym czasie."),
    ),
    "F014.shortage": (
        "Klastrowi brakowało mocy i pobierał ją z tego akumulatora",
        (
            "Ustal, który dom pobierał więcej lub dawał mniej.",
            "Ogranicz moc oddawaną do klastra.",
        ),
    ),
    "F014.current_sensor": (
        "Czujnik prądu akumulatora pokazuje źle: regulator i falownik nie wyjaśniają tego prądu",
        ("Ustaw zero czujnika w spoczynku.", "Porównaj z miernikiem cęgowym."),
    ),
    "F015.weak_cell": (
        "Jedno ogniwo ma mniejszą pojemność: odbiega pod koniec ładowania lub rozładowania, niezależnie od prądu",
        (
            "Zleć sprawdzenie pojemności wskazanego ogniwa.",
            "Naładuj do pełna małym prądem i pozwól się wyrównać.",
        ),
    ),
    "F015.balancer": (
        "Ogniwa rozeszły się wszędzie: balanser nie działa",
        (
            "Sprawdź, czy wyrównywanie jest włączone i się zaczyna.",
            "Naładuj do pełna i obserwuj różnicę przez kilka godzin.",
        ),
    ),
    "F015.link_resistance": (
        "Ogniwo lub jego łącznik ma za dużą rezystancję: odchylenie idzie za prądem",
        (
            "Przy wyłączonej instalacji dokręć łączniki wskazanego ogniwa.",
            "Zleć pomiar jego rezystancji.",
        ),
    ),
    "F015.sense_wire": (
        "Przewód pomiarowy ogniwa ma zły styk: odczyt jest błędny, a suma ogniw nie zgadza się z szyną",
        ("Sprawdź przewód pomiarowy i wtyczkę wskazanego ogniwa oraz sąsiedniego.",),
    ),
    "F020.cold_morning": (
        "Moduły były zimne i nieobciążone: ich napięcie jałowe przekracza granicę regulatora",
        (
            "Porównaj napięcie jałowe łańcucha w najniższej temperaturze z granicą regulatora.",
            "Skróć łańcuch.",
        ),
    ),
    "F020.string_error": (
        "Łańcuch ma za dużo modułów: jego napięcie jest za wysokie nawet pod obciążeniem",
        ("Policz moduły połączone szeregowo.", "Nie rozłączaj wtyczek w słońcu."),
    ),
    "F020.sensor": (
        "Pomiar napięcia wejściowego regulatora był błędny",
        ("Zmierz wejście innym miernikiem.",),
    ),
    "F021.control": (
        "Sterowanie regulatora straciło ograniczenie prądu",
        ("Pozostaw regulator wyłączony.", "Sprawdź jego oprogramowanie i ustawienia."),
    ),
    "F021.low_battery_voltage": (
        "Napięcie akumulatora było tak niskie, że zwykła moc słoneczna wymagała za dużego prądu",
        ("Ładuj akumulator łagodnie.", "Obniż granicę prądu regulatora."),
    ),
    "F021.current_sensor": (
        "Pomiar prądu regulatora był błędny: jego moc nie pasuje do wejścia",
        ("Porównaj z miernikiem cęgowym.",),
    ),
    "F030.node_reset": (
        "Węzeł uruchomił się ponownie, przez zapad zasilania lub swój watchdog",
        ("Sprawdź zasilanie wskazanego węzła.", "Sprawdź przyczynę jego restartu."),
    ),
    "F030.open_cable": (
        "Węzeł, lub wszystkie za nim, stracił kabel magistrali albo zasilanie i nie wrócił",
        (
            "Sprawdź wtyczkę i kabel przy wskazanym węźle.",
            "Sprawdź, czy nadal wysyła wiadomości.",
        ),
    ),
    "F030.gateway_reset": (
        "Brama uruchomiła się ponownie i magistrala była bez niej",
        ("Sprawdź zasilanie bramy.", "Sprawdź przyczynę jej restartu."),
    ),
    "F030.babbling_node": (
        "Węzeł zalał magistralę i inne nie mogły się przebić",
        (
            "Odłącz wskazany węzeł i sprawdź, czy inne wracają.",
            "Wymień jego oprogramowanie lub transceiver.",
        ),
    ),
    "F031.termination": (
        "Cała magistrala jest stale zakłócona: terminacja lub ciągłe zakłócenie",
        (
            "Przy wyłączonym zasilaniu zmierz 60 Ω między przewodami.",
            "Sprawdź oba końce i czy nie ma odgałęzień.",
        ),
    ),
    "F031.node_clock": (
        "Tylko ramki jednego węzła docierają uszkodzone: jego zegar lub transceiver odbiega",
        ("Wymień kwarc lub transceiver wskazanego węzła.", "Sprawdź jego czasy bitów."),
    ),
    "F031.babbling_node": (
        "Węzeł zalał magistralę ramkami",
        ("Odłącz wskazany węzeł i sprawdź, czy błędy ustają.",),
    ),
    "F031.switching_noise": (
        "Błędy pojawiają się i znikają z prądem falownika: jego szum przełączania dostaje się do kabla",
        (
            "Odsuń kabel magistrali od kabli mocy wskazanego domu.",
            "Sprawdź ekran i uziemienie kabla.",
        ),
    ),
    "F040.droop_setting": (
        "Częstotliwość klastra odbiega od częstotliwości roju: statyzm lub wartość zadana klastra",
        (
            "Sprawdź częstotliwość biegu jałowego i statyzm w klastrze.",
            "Sprawdź obciążenie i naładowanie klastra.",
        ),
    ),
    "F040.phase_lock": (
        "Częstotliwości się zgadzają, ale faza pozostaje poza oknem: pętla się nie zatrzaskuje",
        ("Sprawdź ustawienia pętli fazowej.", "Sprawdź biegunowość i fazę pomiaru."),
    ),
    "F040.unstable_swarm": (
        "Częstotliwość lub napięcie roju było niespokojne; klaster był stabilny",
        ("Zapytaj, co działo się za bramą.", "Poczekaj: brama spróbuje ponownie."),
    ),
    "F040.unstable_cluster": (
        "Własna częstotliwość klastra kołysała się; rój był stabilny",
        (
            "Szukaj w klastrze odbiornika lub falownika, który oscyluje.",
            "Sprawdź statyzm.",
        ),
    ),
    "F041.welded": (
        "Stycznik pozostał zamknięty: jego styki są zespawane",
        ("Traktuj obie strony jako będące pod napięciem.", "Wymień stycznik."),
    ),
    "F041.stuck_open": (
        "Stycznik się nie zamknął: cewka, sterowanie lub mechanika",
        ("Zmierz cewkę i jej napięcie.", "Wymień stycznik."),
    ),
    "F041.auxiliary_contact": (
        "Stycznik zrobił, co kazano, tylko jego styk pomocniczy mówi inaczej",
        ("Sprawdź styk pomocniczy i jego przewody.",),
    ),
    "F041.command_lost": (
        "Polecenie nie dotarło magistralą do stycznika",
        (
            "Sprawdź magistralę CAN między bramą a stycznikiem.",
            "Sprawdź, czy są inne błędy magistrali.",
        ),
    ),
}

TRANSIENT_PL = (
    "Granica została przekroczona na chwilę, przez szum lub coś, co samo minęło; nic nie wskazuje na uszkodzenie",
    (
        "Nic nie rób, jeśli zdarzyło się raz.",
        "Jeśli wróci, porównaj granicę i opóźnienie ze zwykłymi wartościami.",
    ),
)
"""Of all codes: nothing is defective."""
