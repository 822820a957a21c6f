"""Units and currencies: the word or sign behind a number in, its canonical name out."""

from __future__ import annotations

import re

# Canonical name, then every spelling; those of up to three letters and signs keep their case.
_TABLE = """
second: second seconds sec secs s Sekunde Sekunden seconde secondes segundo segundos 秒 秒钟
minute: minute minutes min mins Minute Minuten minuto minutos 分钟
hour: hour hours hr hrs h Stunde Stunden Std heure heures hora horas 小时 个小时
day: day days Tag Tage Tagen Tages Werktag Werktage Werktagen Arbeitstag Arbeitstage \
Arbeitstagen Kalendertag Kalendertage Kalendertagen jour jours día días dia dias 天 日 工作日 \
个工作日 个自然日
week: week weeks Woche Wochen semaine semaines semana semanas 周 星期 个星期
month: month months Monat Monate Monaten mois mes meses 个月
quarter: quarters Quartale Quartalen trimestre trimestres 个季度
year: year years yr yrs Jahr Jahre Jahren Jahres an ans année années año años 年
decade: decade decades Jahrzehnt Jahrzehnte Jahrzehnten
%: % ％ percent pct Prozent v.H. pourcent 个百分点
‰: ‰ permille Promille
EUR: € EUR Euro Euros euro euros Cent 欧元
USD: $ USD US$ dollar dollars Dollar Dollars dólar dólares 美元
GBP: £ GBP
CHF: CHF Franken
JPY: JPY yen Yen 日元
CNY: CNY RMB ¥ ￥ yuan Yuan 元 块 元人民币
pound: pound pounds Pfund livre livres libra libras
lb: lb lbs 磅
cent: cent cents ct
mm: mm millimetre millimetres millimeter millimeters Millimeter Millimetern millimètres 毫米
cm: cm centimetre centimetres centimeter centimeters Zentimeter Zentimetern centimètres 厘米
m: m metre metres meter meters Meter Metern mètre mètres metro metros 米
km: km kilometre kilometres kilometer kilometers Kilometer Kilometern kilomètre kilomètres \
kilómetro kilómetros 公里 千米
mile: mile miles mi Meile Meilen 英里
ft: ft foot feet Fuß 英尺
inch: inch inches Zoll 英寸
m²: m² m2 sqm Quadratmeter Quadratmetern 平方米
km²: km² km2 Quadratkilometer Quadratkilometern 平方公里
m³: m³ m3 Kubikmeter 立方米
acre: acre acres
ha: ha hectare hectares Hektar 公顷
mg: mg milligram milligrams Milligramm 毫克
g: g gram grams gramme Gramm 克
kg: kg kilo kilos kilogram kilograms kilogramme Kilo Kilogramm kilogrammes 公斤 千克
tonne: t tonne tonnes ton tons Tonne Tonnen toneladas 吨
ml: ml mL millilitre millilitres milliliter Milliliter 毫升
l: l L litre litres liter liters Liter Litern litro litros 升
°C: °C ℃ celsius Celsius 摄氏度
°F: °F fahrenheit Fahrenheit 华氏度
degree: ° degree degrees Grad degrés degré grados 度
K: K kelvin Kelvin
V: V volt volts Volt 伏 伏特
mV: mV millivolt millivolts
A: A amp amps ampere amperes Ampere 安
mA: mA milliamp milliamps
Ah: Ah 安时
mAh: mAh
W: W watt watts Watt 瓦
kW: kW kilowatt kilowatts Kilowatt 千瓦
MW: MW megawatt megawatts Megawatt 兆瓦
GW: GW gigawatt gigawatts Gigawatt
kWh: kWh kilowatt-hours Kilowattstunden 千瓦时
MWh: MWh Megawattstunden
Hz: Hz hertz Hertz 赫兹
kHz: kHz kilohertz
MHz: MHz megahertz
GHz: GHz gigahertz
Pa: Pa pascal pascals
kPa: kPa kilopascal
MPa: MPa megapascal
bar: bar bars Bar
mbar: mbar millibar millibars Millibar 毫巴
psi: psi
N: N newton newtons Newton
kN: kN kilonewton kilonewtons
Nm: Nm newton-metres Newtonmeter Newtonmetern 牛米 牛·米
J: J joule joules Joule
kJ: kJ
dB: dB decibel decibels Dezibel 分贝
dBm: dBm
B: byte bytes Byte Bytes 字节
kB: kB KB kilobyte kilobytes Kilobyte
MB: MB megabyte megabytes Megabyte
GB: GB gigabyte gigabytes Gigabyte
TB: TB terabyte terabytes Terabyte
GiB: GiB
MiB: MiB
bit: bit bits Bit
Mbit/s: Mbit/s Mbps
ms: ms millisecond milliseconds Millisekunden 毫秒
μs: µs μs microseconds
m/s: m/s mps
km/h: km/h kph kmh Stundenkilometer Stundenkilometern
mph: mph
knot: kn knot knots Knoten 节
rpm: rpm U/min
ppm: ppm
token: token tokens
"""
_PHRASES = (
    ("°C", r"(?:degrees?|Grad|degrés|grados)\s+(?:Celsius|C\b)"),
    ("°F", r"(?:degrees?|Grad|degrés|grados)\s+(?:Fahrenheit|F\b)"),
    ("m/s", r"(?:met(?:re|er)s?|Metern?)\s+(?:per|pro|a)\s+(?:second|Sekunde)"),
    ("km/h", r"kilomet(?:re|er)s?\s+(?:per|an?)\s+hour|Kilometern?\s+pro\s+Stunde"),
    ("mph", r"miles\s+per\s+hour"),
    ("m²", r"square\s+met(?:re|er)s?|sq\.?\s?m\b|mètres\s+carrés|metros\s+cuadrados"),
    ("km²", r"square\s+kilomet(?:re|er)s?|sq\.?\s?km\b|kilomètres\s+carrés|kilómetros\s+cuadrados"),
    ("sq mi", r"square\s+miles?|sq\.?\s?mi\b"),
    ("sq ft", r"square\s+f(?:ee|oo)t|sq\.?\s?ft\b"),
    ("m³", r"cubic\s+met(?:re|er)s?"),
    ("%", r"per\s+cent|pour\s+cent|por\s+ciento"),
    ("Nm", r"newton[\s-]met(?:re|er)s?"),
    ("kWh", r"kilowatt[\s-]hours?"),
    ("USD", r"US[\s-]?(?:dollars?|\$)|U\.S\.\s+dollars?"),
    ("GBP", r"pounds?\s+sterling"),
)  # fmt: skip

# A general name and those it may stand for.
_GENERAL = {
    "degree": frozenset(("°C", "°F")),
    "pound": frozenset(("GBP", "lb")),
    "cent": frozenset(("EUR", "USD")),
}


def _read_table() -> dict[str, str]:
    spellings: dict[str, str] = {}
    for line in _TABLE.replace("\\\n", "").strip().splitlines():
        name, _, words = line.partition(": ")
        for word in words.split():
            spellings[word if len(word) <= 3 else word.casefold()] = name
    return spellings


_SPELLINGS = _read_table()
_CJK_UNITS = "|".join(
    sorted((word for word in _SPELLINGS if "\u4e00" <= word[0] <= "\u9fff"), key=len, reverse=True)
)
_PHRASE = re.compile("|".join(f"({pattern})" for _, pattern in _PHRASES), re.IGNORECASE)
_WORD = re.compile(
    rf"(?:[%％‰°℃]C?F?|[€$£¥￥]|{_CJK_UNITS})|[^\W\d_]+[²³]?(?:/[^\W\d_]+)?(?:[23]\b)?"
)


def unit_at(text: str, position: int) -> tuple[str, int] | None:
    """Return the canonical unit that stands exactly here, and where it ends; None without."""
    phrase = _PHRASE.match(text, position)
    if phrase:
        return _PHRASES[(phrase.lastindex or 1) - 1][0], phrase.end()
    word = _WORD.match(text, position)
    name = canonical_unit(word[0]) if word else ""
    return (name, word.end()) if word and name else None


def canonical_unit(word: str) -> str:
    """Return the canonical name of a unit's spelling, "" if it is none."""
    return _SPELLINGS.get(word if len(word) <= 3 else word.casefold(), "")


def units_agree(one: str, other: str) -> bool:
    """Return whether two canonical units can mean the same; "" agrees with all."""
    if not one or not other or one == other:
        return True
    return other in _GENERAL.get(one, ()) or one in _GENERAL.get(other, ())
