"""Words in circuit names, and what they suggest. English, German, Spanish and French.

A word matches alone or in the plural, whatever its case. One that ends with `*` also matches as the beginning of a
longer word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Harm:
    """Harm that can follow if these loads are off for hours."""

    words: tuple[str, ...]
    consequence: str


HARMS = (
    Harm(
        (
            *("sump", "ejector", "sewage", "septic", "lift station", "grinder pump", "drain pump", "bilge"),
            *("hebeanlage", "tauchpumpe", "abwasserpumpe", "schmutzwasser*", "drainagepumpe"),
            *("bomba de sumidero", "bomba de achique", "fosa séptica", "pompe de relevage", "pompe de puisard"),
            *("puisard", "fosse septique"),
        ),
        "the basement may flood, or sewage back up",
    ),
    Harm(
        ("well", "well pump", "brunnen", "brunnenpumpe", "hauswasserwerk", "pozo", "bomba de pozo", "puits"),
        "there is no water in the house",
    ),
    Harm(
        (
            *("furnace", "boiler", "heating", "air handler", "pellet stove", "circulator", "heat tape", "heat trace"),
            *("heizung*", "heizkessel", "therme", "umwälzpumpe", "caldera", "calefacción", "chaudière", "chauffage"),
        ),
        "the house gets cold, and pipes may freeze",
    ),
    Harm(
        (
            *("freezer", "refrigerator", "fridge", "wine cooler", "gefrier*", "kühlschrank", "kühltruhe"),
            *("congelador", "nevera", "refrigerador", "frigorífico", "congélateur", "réfrigérateur", "frigo"),
        ),
        "food spoils",
    ),
    Harm(
        (
            *("smoke", "smoke detector", "co detector", "carbon monoxide", "fire alarm", "sprinkler"),
            *("rauchmelder", "brandmelde*", "detector de humo", "détecteur de fumée"),
        ),
        "nobody is warned of fire or carbon monoxide",
    ),
    Harm(
        (
            *("medical", "oxygen", "cpap", "bipap", "dialysis", "ventilator", "stairlift", "stair lift", "chair lift"),
            *("elevator", "insulin", "sauerstoff*", "beatmung*", "treppenlift", "aufzug", "oxígeno", "ascensor"),
            *("oxygène", "respirateur", "monte-escalier", "ascenseur"),
        ),
        "a person may depend on it",
    ),
    Harm(
        (
            *("alarm", "security", "burglar", "alarmanlage", "alarma", "alarme"),
            *("gate", "garage door", "tor", "garagentor", "portón", "portail"),
        ),
        "the house is not guarded, or people cannot get in or out",
    ),
    Harm(
        ("aquarium", "fish tank", "terrarium", "incubator", "chicken coop", "kennel", "acuario", "pecera"),
        "animals may die",
    ),
    Harm(
        ("router", "modem", "access point", "network", "server", "broker", "loadshed", "hub", "onu", "netzwerk"),
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
    *("heizlüfter", "horno", "estufa", "calentador", "secadora", "four", "plaque de cuisson", "chauffe-eau"),
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
    """Return whether one of these words is in the name, alone or in the plural."""
    return _pattern(words).search(name.lower()) is not None


def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    parts = (
        re.escape(word[:-1]) + r"\w*" if word.endswith("*") else re.escape(word) + "(?:s|es|n|en)?" for word in words
    )
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)")
