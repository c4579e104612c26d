"""Suite faces: drawn portraits of 64 x 64 pixels with exact maps and words. Everything here is drawn by this code.

`draw(face)` gives the picture and its label map, `sample(rng, style)` a random face. Three styles make three data sets
that no picture belongs to twice: "studio" (soft gradient, round neck), "halo" (a pale disc, V-neck), "poster" (flat, collar).
"""
import dataclasses
import math

import numpy as np
import skia

from .drawing import SIZE, SUPER, curve, oval, pixels, polygon, shade, shrunk

REGIONS = ("background", "hair", "skin", "clothes")
HAIR_COLORS = {"black": (34, 30, 38), "brown": (112, 62, 24), "blond": (246, 206, 74), "red": (206, 66, 24), "blue": (40, 96, 224),
               "pink": (252, 120, 186), "white": (240, 240, 244), "green": (34, 160, 76)}
SKINS = {"light": (255, 222, 196), "tan": (220, 160, 108), "dark": (136, 88, 66)}
BACKGROUNDS = {"blue": (108, 164, 226), "green": (140, 202, 134), "yellow": (250, 228, 138), "pink": (246, 182, 204),
               "gray": (164, 168, 174), "purple": (146, 118, 190)}
SHIRTS = {"red": (196, 40, 52), "blue": (36, 62, 150), "green": (22, 110, 70), "yellow": (240, 190, 30), "white": (242, 242, 242), "black": (40, 40, 46)}
HAIRSTYLES = ("bald", "buzz", "short", "spiky", "mohawk", "bob", "long", "wavy", "curly", "bun", "pigtails", "ponytail")
GLASSES = ("none", "glasses", "sunglasses")
STYLES = ("studio", "halo", "poster")


@dataclasses.dataclass(frozen=True)
class Face:
    """One portrait. Lengths in pixels of the 64 x 64 picture, angles in degrees."""
    style: str
    hairstyle: str
    hair: str
    skin: str
    background: str
    shirt: str
    glasses: str
    beard: bool
    smile: bool
    x: float            # centre of the head
    y: float
    width: float        # half the width of the head
    height: float       # half its height
    tilt: float
    volume: float       # how far the hair stands off, 0.8 to 1.25
    length: float       # 0 to 1 within what the hairstyle allows
    part: float         # where the fringe parts, -1 left to 1 right
    fringe: float       # how low the hair comes down the forehead, 0 to 1
    shoulders: float
    tint: tuple         # small colour offsets of hair, skin, background, shirt


def _pick(rng, options):
    return list(options)[rng.integers(len(options))]


def sample(rng, style):
    """A random face of one style; every attribute independent of the others."""
    return Face(style, _pick(rng, HAIRSTYLES), _pick(rng, HAIR_COLORS), _pick(rng, SKINS), _pick(rng, BACKGROUNDS), _pick(rng, SHIRTS),
                _pick(rng, GLASSES), bool(rng.random() < 0.4), bool(rng.random() < 0.5), x=32 + rng.uniform(-4, 4), y=30 + rng.uniform(-2.5, 3.5),
                width=rng.uniform(10.5, 13), height=rng.uniform(14, 16.5), tilt=rng.uniform(-7, 7), volume=rng.uniform(0.8, 1.25), length=rng.random(),
                part=rng.uniform(-1, 1), fringe=rng.random(), shoulders=rng.uniform(20, 25), tint=tuple(map(tuple, rng.integers(-7, 8, (4, 3)).tolist())))


class _Canvas:
    """Draws every shape twice: its colour, and (aliased) the number of the region it covers."""

    def __init__(self):
        n = SIZE * SUPER
        self.picture, self.labels = skia.Surface(n, n), skia.Surface(n, n)
        for surface in (self.picture, self.labels):
            surface.getCanvas().scale(SUPER, SUPER)

    def both(self, method, *args):
        for surface in (self.picture, self.labels):
            getattr(surface.getCanvas(), method)(*args)

    def fill(self, path, rgb, region=None, stroke=0.0, alpha=255):
        paint = skia.Paint(AntiAlias=True, Color=skia.Color(*rgb, alpha))
        number = skia.Paint(AntiAlias=False, Color=skia.Color(40 * REGIONS.index(region), 0, 0)) if region else None
        for p in (paint, number):
            if p and stroke:
                p.setStyle(skia.Paint.kStroke_Style)
                p.setStrokeWidth(stroke)
                p.setStrokeCap(skia.Paint.kRound_Cap)
        self.picture.getCanvas().drawPath(path, paint)
        if number:
            self.labels.getCanvas().drawPath(path, number)

    def result(self):
        cover = shrunk(pixels(self.labels)[:, :, :1] // 40 == np.arange(len(REGIONS)))
        return shrunk(pixels(self.picture)).round().astype(np.uint8), cover.argmax(2).astype(np.uint8)


def _back_hair(c, f, colour):
    """Hair behind the head, in head coordinates (origin at its centre)."""
    w, h, v = f.width, f.height, f.volume
    if f.hairstyle in ("long", "wavy"):
        low, wide = h * (0.9 + 0.75 * f.length), w * (1.12 + 0.28 * (v - 0.8))
        if f.hairstyle == "long":
            c.fill(curve((0, -h * 1.12), (wide * 0.85, -h * 0.85), (wide * 1.05, 0), (wide * 1.1, low), (0, low + 1), (-wide * 1.1, low),
                          (-wide * 1.05, 0), (-wide * 0.85, -h * 0.85)), colour, "hair")
        else:
            right = [(wide * (1.2 + 0.2 * math.sin(3.4 * k)), -h * 0.7 + (low + h * 0.7) * k / 6) for k in range(7)]
            c.fill(curve((0, -h * 1.14), *right, (0, low + 1), *[(-x, y) for x, y in reversed(right)]), colour, "hair")
    elif f.hairstyle == "bob":
        low, wide = h * (0.3 + 0.35 * f.length), w * (1.25 + 0.35 * (v - 0.8))
        c.fill(curve((0, -h * 1.14), (wide * 0.8, -h * 0.9), (wide * 1.08, -h * 0.1), (wide * 1.12, low), (wide * 0.6, low + 1.5), (-wide * 0.6, low + 1.5),
                      (-wide * 1.12, low), (-wide * 1.08, -h * 0.1), (-wide * 0.8, -h * 0.9)), colour, "hair")
    elif f.hairstyle == "curly":
        r = 5.2 * v
        for k in range(11):
            a = math.pi * (1.12 - 1.24 * k / 10)
            c.fill(oval(w * 1.1 * math.cos(a), -h * 0.25 - h * 0.78 * math.sin(a), r, r), colour, "hair")
    elif f.hairstyle == "bun":
        c.fill(oval(f.part * 3, -h * 1.18 - 2.5 * v, 5.5 * v, 5 * v), colour, "hair")
    elif f.hairstyle == "pigtails":
        for s in (-1, 1):
            c.fill(oval(s * w * 1.45, h * (0.1 + 0.3 * f.length), 4.2 * v, h * (0.42 + 0.25 * f.length)), colour, "hair")
    elif f.hairstyle == "ponytail":
        s = 1 if f.part > 0 else -1
        c.fill(curve((s * w * 0.5, -h * 0.95), (s * w * 1.3, -h * 0.95), (s * w * (1.55 + 0.2 * v), -h * 0.1), (s * w * 1.45, h * (0.5 + 0.4 * f.length)),
                      (s * w * 1.15, h * 0.1), (s * w * 0.95, -h * 0.4)), colour, "hair")


def _front_hair(c, f, colour):
    """Hair over the forehead; its lower edge parts at f.part and comes down by f.fringe."""
    w, h, v = f.width, f.height, f.volume
    if f.hairstyle == "bald":
        return
    if f.hairstyle == "mohawk":
        top = h * (1.2 + 0.3 * v)
        c.fill(curve((-w * 0.3, -h * 0.62), (-w * 0.34, -h), (-w * 0.2, -top), (w * 0.2, -top), (w * 0.34, -h), (w * 0.3, -h * 0.62)), colour, "hair")
        return
    lift = {"buzz": 0.02, "short": 0.14, "spiky": 0.1, "curly": 0.2}.get(f.hairstyle, 0.12) * v
    side = {"buzz": -0.45, "short": -0.2, "spiky": -0.3}.get(f.hairstyle, 0.0)
    edge = -h * (0.62 - 0.3 * f.fringe) if f.hairstyle != "buzz" else -h * 0.66
    px = w * 0.6 * f.part
    c.fill(curve((-w * 1.04, h * side), (-w * (1.0 + lift * 0.6), -h * 0.55), (-w * 0.6, -h * (0.93 + lift)), (0, -h * (1.02 + lift)),
                  (w * 0.6, -h * (0.93 + lift)), (w * (1.0 + lift * 0.6), -h * 0.55), (w * 1.04, h * side), (w * 0.86, -h * 0.36),
                  (px + (w * 0.8 - px) * 0.5, edge), (px, edge - h * 0.12), (px - (w * 0.8 + px) * 0.5, edge), (-w * 0.86, -h * 0.36)), colour, "hair")
    if f.hairstyle == "spiky":
        path, n = skia.Path(), 6
        for k in range(n):
            x0, x1 = w * (-0.95 + 1.9 * k / n), w * (-0.95 + 1.9 * (k + 1) / n)
            base = [-h * math.sqrt(max(0.05, 1 - (x / (w * 1.05)) ** 2)) for x in (x0, x1)]
            path.addPoly([skia.Point(x0, base[0] + 3), skia.Point((x0 + x1) * 0.56, min(base) - 5 * v), skia.Point(x1, base[1] + 3)], True)
        c.fill(path, colour, "hair")


def _features(c, f, hair, skin):
    w, h = f.width, f.height
    brow, eye_y = shade(hair, 0.75), -h * 0.02
    for s in (-1, 1):
        x = s * w * 0.44
        if f.glasses != "sunglasses":
            c.fill(oval(x, eye_y, 2.5, 1.9), (255, 255, 255))
            c.fill(oval(x, eye_y, 1.35, 1.6), (30, 26, 34))
        c.fill(curve((x - 2.6, eye_y - 4.1), (x, eye_y - 4.9), (x + 2.6, eye_y - 4.1), close=False), brow, stroke=1.3)
    c.fill(curve((0.3, h * 0.12), (1.6, h * 0.33), (-0.8, h * 0.36), close=False), shade(skin, 0.72), stroke=1.1)
    mouth_y = h * 0.58
    if f.beard:
        c.fill(curve((-w * 0.9, h * 0.22), (-w * 0.55, h * 0.42), (0, h * 0.4), (w * 0.55, h * 0.42), (w * 0.9, h * 0.22), (w * 0.74, h * 0.78), (0, h * 1.08),
                      (-w * 0.74, h * 0.78)), shade(hair, 0.82))
    lip = (176, 52, 62)
    if f.smile:
        c.fill(curve((-w * 0.42, mouth_y - 1.4), (0, mouth_y - 0.6), (w * 0.42, mouth_y - 1.4), (0, mouth_y + 3.4)), lip)
        c.fill(curve((-w * 0.32, mouth_y - 0.9), (0, mouth_y - 0.3), (w * 0.32, mouth_y - 0.9), (0, mouth_y + 1.2)), (255, 255, 255))
    else:
        c.fill(curve((-w * 0.3, mouth_y), (0, mouth_y + 0.2), (w * 0.3, mouth_y), close=False), lip, stroke=1.7)
    if f.glasses != "none":
        for s in (-1, 1):
            lens = skia.Path().addRRect(skia.RRect.MakeRectXY(skia.Rect.MakeLTRB(s * w * 0.47 - 4.4, eye_y - 3.4, s * w * 0.47 + 4.4, eye_y + 3.6), 2.4, 2.4))
            if f.glasses == "sunglasses":
                c.fill(lens, (22, 22, 28))
            c.fill(lens, (22, 22, 28), stroke=1.2)
            c.fill(curve((s * w * 0.82, eye_y - 1), (s * w * 1.0, eye_y - 1.6), close=False), (22, 22, 28), stroke=1.2)
        c.fill(curve((-1.2, eye_y - 0.6), (0, eye_y - 1), (1.2, eye_y - 0.6), close=False), (22, 22, 28), stroke=1.2)


def _shoulders(c, f, skin, shirt):
    """Shirt and neck, in the picture's coordinates; the neckline tells the styles apart."""
    x, w, bottom, shadow = f.x, f.width, f.y + f.height, shade(skin, 0.88)
    c.fill(curve((x - w * 0.5, bottom + 3), (x - f.shoulders * 0.75, bottom + 6.5), (x - f.shoulders, 68), (x, 75), (x + f.shoulders, 68),
                  (x + f.shoulders * 0.75, bottom + 6.5), (x + w * 0.5, bottom + 3), (x, bottom + 4)), shirt, "clothes")
    c.fill(skia.Path().addRect(skia.Rect.MakeLTRB(x - w * 0.42, f.y + f.height * 0.6, x + w * 0.42, bottom + 7)), shadow, "skin")
    if f.style == "studio":
        c.fill(oval(x, bottom + 4, w * 0.55, 4.5), shadow, "skin")
    elif f.style == "halo":
        c.fill(polygon((x - w * 0.5, bottom + 3), (x, bottom + 12), (x + w * 0.5, bottom + 3)), shadow, "skin")
    else:
        for s in (-1, 1):
            c.fill(polygon((x, bottom + 9), (x + s * w * 0.75, bottom + 2.5), (x + s * w * 0.8, bottom + 8)),
                   shade(shirt, 1.5 if sum(shirt) < 420 else 0.8), "clothes")


def draw(f):
    """The picture [64, 64, 3] uint8 and the number of each pixel's region [64, 64] uint8, an index into REGIONS."""
    hair, skin, ground, shirt = (tuple(int(min(255, max(0, v + d))) for v, d in zip(rgb, tint, strict=True)) for rgb, tint in
                                 zip((HAIR_COLORS[f.hair], SKINS[f.skin], BACKGROUNDS[f.background], SHIRTS[f.shirt]), f.tint, strict=True))
    c, w, h = _Canvas(), f.width, f.height
    whole = skia.Path().addRect(skia.Rect.MakeWH(SIZE, SIZE))
    c.fill(whole, ground, "background")
    if f.style == "studio":
        shader = skia.GradientShader.MakeLinear([skia.Point(0, 0), skia.Point(0, SIZE)], [skia.Color(255, 255, 255, 70), skia.Color(0, 0, 0, 50)])
        c.picture.getCanvas().drawPath(whole, skia.Paint(Shader=shader))
    elif f.style == "halo":
        c.fill(oval(32, 30, 27, 27), shade(ground, 1.35))
    c.both("save")
    c.both("translate", f.x, f.y)
    c.both("rotate", f.tilt)
    _back_hair(c, f, hair)
    c.both("restore")
    _shoulders(c, f, skin, shirt)
    c.both("save")
    c.both("translate", f.x, f.y)
    c.both("rotate", f.tilt)
    for s in (-1, 1):
        c.fill(oval(s * w, h * 0.08, 2.3, 3.3), shade(skin, 0.88), "skin")
    c.fill(curve((0, -h), (w * 0.72, -h * 0.78), (w, -h * 0.1), (w * 0.86, h * 0.52), (w * 0.42, h * 0.92), (0, h),
                  (-w * 0.42, h * 0.92), (-w * 0.86, h * 0.52), (-w, -h * 0.1), (-w * 0.72, -h * 0.78)), skin, "skin")
    _features(c, f, hair, skin)
    _front_hair(c, f, hair)
    c.both("restore")
    return c.result()


_STYLE_WORDS = {"bald": "bald", "buzz": "buzz cut", "mohawk": "mohawk", "bob": "bob", "bun": "bun", "pigtails": "pigtails", "ponytail": "ponytail"}
_GLASSES_WORDS = {"none": "no glasses", "glasses": "glasses", "sunglasses": "sunglasses"}


def words(f):
    """The labels of one face, each an entry of VOCABULARY."""
    return (f"{f.hair} hair", _STYLE_WORDS.get(f.hairstyle, f"{f.hairstyle} hair"), f"{f.skin} skin", f"{f.background} background", f"{f.shirt} shirt",
            _GLASSES_WORDS[f.glasses], "beard" if f.beard else "no beard", "smiling" if f.smile else "serious")


VOCABULARY = tuple([f"{c} hair" for c in HAIR_COLORS] + [_STYLE_WORDS.get(s, f"{s} hair") for s in HAIRSTYLES] + [f"{s} skin" for s in SKINS]
                   + [f"{b} background" for b in BACKGROUNDS] + [f"{s} shirt" for s in SHIRTS] + list(_GLASSES_WORDS.values())
                   + ["beard", "no beard", "smiling", "serious"])


SYNONYMS = {
    "blonde": "blond", "golden": "blond", "ginger": "red", "redhead": "red hair", "blondes": "blond", "brunette": "brown hair", "purple hair": "pink hair",
    "grey": "gray", "gray hair": "white hair", "silver": "white", "orange hair": "red hair", "dark hair": "black hair", "light hair": "blond hair",
    "haired": "hair", "hairs": "hair", "hairstyle": "hair", "straight hair": "long hair", "afro": "curly hair", "curls": "curly hair", "waves": "wavy hair",
    "shaved": "bald", "buzzcut": "buzz cut", "no hair": "bald", "ponytails": "pigtails", "braids": "pigtails", "chignon": "bun", "mohican": "mohawk",
    "skinned": "skin", "complexion": "skin", "pale": "light skin", "fair": "light", "white skin": "light skin", "brown skin": "tan skin", "tanned": "tan skin",
    "black skin": "dark skin", "medium skin": "tan skin", "backdrop": "background", "wall": "background", "violet": "purple",
    "sweater": "shirt", "tshirt": "shirt", "jumper": "shirt", "top": "shirt", "jacket": "shirt", "clothes": "shirt", "clothing": "shirt", "dress": "shirt",
    "spectacles": "glasses", "eyeglasses": "glasses", "shades": "sunglasses", "bearded": "beard", "goatee": "beard", "moustache": "beard", "mustache": "beard",
    "shaven": "no beard", "beardless": "no beard", "smile": "smiling", "smiles": "smiling", "happy": "smiling", "laughing": "smiling", "sad": "serious",
    "neutral": "serious", "no sunglasses": "no glasses", "no smiling": "serious",
}


def bag(f):
    """Which entries of VOCABULARY hold for the face: [len(VOCABULARY)] uint8."""
    return np.isin(VOCABULARY, words(f)).astype(np.uint8)


def data_set(style, count, seed):
    """count random faces of one style: pictures [N, 64, 64, 3], regions [N, 64, 64], bags [N, V], all uint8."""
    rng = np.random.default_rng([seed, STYLES.index(style)])
    faces = [sample(rng, style) for _ in range(count)]
    pictures, regions = zip(*(draw(f) for f in faces), strict=True)
    return np.stack(pictures), np.stack(regions), np.stack([bag(f) for f in faces])
