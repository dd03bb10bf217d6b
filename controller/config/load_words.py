"""Words in circuit names, and what they suggest. English, German, Spanish and French.

A word matches alone or in the plural, whatever its case and accents. One that ends with `*` also matches as the
beginning of a longer word, one that begins with `*` as its end.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Harm:
    """Harm that can follow if these loads are off for hours."""

    words: tuple[str, ...]
    consequence: str


HARMS = (
    Harm(
        (
            *("sump", "sump*", "ejector", "sewage", "sewer", "septic", "lift station", "grinder pump", "drain pump"),
            *("bilge", "basement pump", "crawl space pump", "crawlspace pump", "dewatering", "effluent", "lift pump"),
            *("hebeanlage", "tauchpumpe", "abwasser*", "schmutzwasser*", "drainagepumpe", "kellerpumpe", "pumpensumpf"),
            *("fäkalien*", "kläranlage", "kleinkläranlage", "rückstau*", "entwässerung*", "grundwasserpumpe"),
            *("bomba de sumidero", "bomba de achique", "fosa séptica", "bomba sumergible", "aguas residuales"),
            *("aguas negras", "bomba de drenaje", "cárcamo", "sumidero", "achique"),
            *(
                "pompe de relevage",
                "relevage",
                "pompe de puisard",
                "puisard",
                "fosse septique",
                "vide cave",
                "vide-cave",
            ),
            *("pompe de cale", "eaux usées", "pompe d'assèchement"),
        ),
        "the basement may flood, or sewage back up",
    ),
    Harm(
        (
            *(
                "well",
                "well pump",
                "wellpump",
                "water pump",
                "pressure pump",
                "cistern",
                "water supply",
            ),
            *("brunnen", "brunnenpumpe", "hauswasserwerk", "wasserpumpe", "druckerhöhung*", "zisterne", "tiefbrunnen*"),
            *("pozo", "bomba de pozo", "bomba de agua", "hidroneumático", "cisterna", "aljibe", "bomba de presión"),
            *("puits", "pompe de puits", "pompe à eau", "surpresseur", "citerne", "forage"),
        ),
        "there is no water in the house",
    ),
    Harm(
        (
            *("furnace", "boiler", "heating", "air handler", "pellet stove", "circulator", "heat tape", "heat trace"),
            *(
                "heat cable",
                "heating cable",
                "hydronic",
                "radiant",
                "baseboard",
                "zone valve",
                "oil burner",
                "gas burner",
            ),
            *("freeze protection", "frost protection", "thermostat", "wood stove"),
            *("heizung*", "*heizung", "heizungs*", "heizkessel", "*kessel", "therme", "gastherme", "umwälzpumpe"),
            *("ölbrenner", "gasbrenner", "heizkreis*", "frostschutz*", "begleitheizung", "fernwärme*", "pelletofen"),
            *("caldera", "calefacción", "calefactor", "quemador", "anticongelante", "termostato", "suelo radiante"),
            *("chaudière", "chauffage", "brûleur", "circulateur", "hors gel", "hors-gel", "plancher chauffant"),
            *("poêle à granulés", "antigel"),
        ),
        "the house gets cold, and pipes may freeze",
    ),
    Harm(
        (
            *("freezer", "deep freeze", "chest freeze", "refrigerator", "refrigeration", "fridge", "wine cooler"),
            *("icebox", "walk in cooler", "walk-in cooler", "beer cooler", "cold storage", "kegerator"),
            *("gefrier*", "tiefkühl*", "kühlschrank", "kühltruhe", "kühlraum", "kühlhaus", "kühlzelle", "eisschrank"),
            *("congelador", "arcón", "nevera", "refrigerador", "refrigeradora", "heladera", "frigorífico"),
            *(
                "cámara frigorífica",
                "congélateur",
                "réfrigérateur",
                "frigo",
                "frigidaire",
                "chambre froide",
                "cave à vin",
            ),
        ),
        "food spoils",
    ),
    Harm(
        (
            *("smoke", "smoke detector", "smoke alarm", "co detector", "co alarm", "co sensor", "carbon monoxide"),
            *(
                "gas detector",
                "gas alarm",
                "fire alarm",
                "fire panel",
                "fire pump",
                "sprinkler",
                "radon",
                "heat detector",
            ),
            *("rauchmelder", "rauchwarnmelder", "brandmelde*", "feuermelder", "co melder", "co-melder", "gasmelder"),
            *("kohlenmonoxid*", "hitzemelder", "radon*", "löschanlage"),
            *("detector de humo", "detectores de humo", "detector de co", "monóxido", "detector de gas", "incendio*"),
            *(
                "détecteur de fumée",
                "détecteurs de fumée",
                "détecteur de co",
                "monoxyde",
                "détecteur de gaz",
                "incendie",
            ),
        ),
        "there is no warning of fire or carbon monoxide",
    ),
    Harm(
        (
            *("medical", "medicine", "oxygen", "cpap", "bipap", "dialysis", "ventilator", "nebulizer", "concentrator"),
            *(
                "stairlift",
                "stair lift",
                "chair lift",
                "chairlift",
                "wheelchair",
                "elevator",
                "insulin",
                "hospital bed",
            ),
            *("patient", "baby monitor", "life support", "suction machine", "feeding pump", "iron lung", "ecmo"),
            *("sauerstoff*", "beatmung*", "treppenlift", "aufzug", "fahrstuhl", "dialyse*", "pflegebett", "hausnotruf"),
            *("notruf*", "medizin*", "rollstuhl*", "babyphone", "inhalator", "krankenbett"),
            *("oxígeno", "concentrador", "respirador", "ventilador mecánico", "ascensor", "elevador", "diálisis"),
            *("médico", "equipo médico", "silla de ruedas", "silla salvaescaleras", "nebulizador", "insulina"),
            *(
                "oxygène",
                "respirateur",
                "monte-escalier",
                "monte escalier",
                "ascenseur",
                "dialyse",
                "médical",
                "médicaux",
            ),
            *("fauteuil roulant", "lit médicalisé", "téléalarme", "insuline"),
        ),
        "a person may depend on it",
    ),
    Harm(
        (
            *("alarm", "security", "burglar", "intercom", "access control", "camera", "cctv", "doorbell"),
            *(
                "gate",
                "garage door",
                "door opener",
                "tor",
                "hoftor",
                "garagentor",
                "rolltor",
                "schiebetor",
                "torantrieb",
            ),
            *(
                "alarmanlage",
                "einbruch*",
                "türöffner",
                "sprechanlage",
                "überwachung*",
                "kamera",
                "rollladen",
                "rolladen",
            ),
            *("alarma", "seguridad", "portón", "puerta de garaje", "puerta automática", "cámaras", "videovigilancia"),
            *("alarme", "sécurité", "portail", "porte de garage", "interphone", "vidéosurveillance", "volet roulant"),
        ),
        "the house is not guarded, or people cannot get in or out",
    ),
    Harm(
        (
            *(
                "aquarium",
                "aquaria",
                "fish tank",
                "fishtank",
                "koi",
                "fish pond",
                "pond pump",
                "pond aerator",
                "terrarium",
            ),
            *(
                "vivarium",
                "reptile",
                "incubator",
                "chicken coop",
                "coop",
                "brooder",
                "kennel",
                "barn",
                "stable",
                "livestock",
            ),
            *("henhouse", "beehive", "greenhouse"),
            *(
                "teichpumpe",
                "fischteich",
                "koiteich",
                "gartenteich",
                "stall",
                "hühnerstall",
                "brutkasten",
                "brutapparat",
            ),
            *("gewächshaus", "zwinger"),
            *(
                "acuario",
                "pecera",
                "estanque",
                "terrario",
                "incubadora",
                "gallinero",
                "establo",
                "perrera",
                "invernadero",
            ),
            *(
                "vivier",
                "bassin à poissons",
                "bassin de poissons",
                "couveuse",
                "poulailler",
                "étable",
                "chenil",
                "écurie",
            ),
        ),
        "animals or plants may die",
    ),
    Harm(
        (
            *(
                "router",
                "modem",
                "access point",
                "network",
                "server",
                "broker",
                "loadshed",
                "hub",
                "onu",
                "ont",
                "wifi",
            ),
            *("wi-fi", "wi fi", "internet", "fiber", "gateway", "telephone", "phone", "home assistant", "raspberry pi"),
            *("netzwerk", "netzwerkschrank", "telefon", "glasfaser", "fritzbox", "wlan", "internet"),
            *(
                "enrutador",
                "módem",
                "teléfono",
                "fibra",
                "servidor",
                "routeur",
                "réseau",
                "téléphone",
                "fibre",
                "serveur",
            ),
        ),
        "the controller may no longer reach the breakers",
    ),
)

PROTECTED = ("router", "modem", "access point", "broker", "loadshed", "alarm", "smoke", "medical", "oxygen", "cpap")
"""Loads whose circuits are usually protected."""

STARTS_UNATTENDED = (
    *(
        "range",
        "oven",
        "cooktop",
        "heater",
        "sauna",
        "kiln",
        "dryer",
        "herd",
        "backofen",
        "kochfeld",
        "durchlauferhitzer",
    ),
    *("heizlüfter", "horno", "estufa", "calentador", "secadora", "four électrique", "plaque de cuisson", "chauffe-eau"),
)
"""Loads that should not start unattended when utility returns."""

COMPRESSOR = (
    *(
        "air conditioner",
        "a/c",
        "ac unit",
        "heat pump",
        "fridge",
        "refrigerator",
        "freezer",
        "compressor",
        "mini split",
    ),
    *("klimaanlage", "klimagerät", "wärmepumpe", "kühlschrank", "gefrier*", "aire acondicionado", "bomba de calor"),
    *("climatiseur", "climatisation", "pompe à chaleur"),
)
"""Loads with a compressor, which must rest between off and on."""


def names_any(name: str, words: tuple[str, ...]) -> bool:
    """Return whether one of these words is in the name, alone or in the plural; accents and `_` do not matter."""
    plain = re.sub(r"[\W_]+", " ", _without_accents(name))
    return _pattern(words).search(plain) is not None


@cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    spellings = {spelling for word in words for spelling in (_without_accents(word), _without_accents(_umlauts(word)))}
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(_part, sorted(spellings)))})(?!\w)")


def _part(word: str) -> str:
    core = re.escape(re.sub(r"[\W_]+", " ", word).strip()).replace(r"\ ", " ")
    before, after = (r"\w*" if word.startswith("*") else ""), (r"\w*" if word.endswith("*") else "(?:s|es|n|en)?")
    return f"{before}{core}{after}"


def _umlauts(word: str) -> str:
    """Return the word with its umlauts as they are typed without them."""
    return word.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")


def _without_accents(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
