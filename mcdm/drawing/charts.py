"""The picture of a report: lines over sigma and maps, drawn with Pillow, which the host has."""
import math

from PIL import Image, ImageDraw

from .sheets import INK, PALE, PAPER, font, wrap

COLOURS = (      # Okabe and Ito's, mostly
    (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (150, 120, 0), (110, 60, 160), (90, 90, 90))
GRID, ALARM, BAND, CALM = (228, 229, 232), (178, 34, 52), (250, 228, 228), (0, 128, 96)
WIDTH, SIDE, FINE = 1100, 300, 2       # pixels: of the page, of the column of names beside a panel; everything is drawn FINE times as large


class _Page:
    """Draws in pixels of the finished page."""

    def __init__(self, height):
        self.image = Image.new("RGB", (WIDTH * FINE, math.ceil(height) * FINE), PAPER)
        self.pen = ImageDraw.Draw(self.image)

    def text(self, x, y, words, size, colour=INK, anchor="la"):
        self.pen.multiline_text((x * FINE, y * FINE), words, colour, font(size * FINE), anchor=anchor, spacing=0.35 * size * FINE)

    def line(self, points, colour, width=1.0):
        self.pen.line([(x * FINE, y * FINE) for x, y in points], colour, round(width * FINE), joint="curve")

    def box(self, x0, y0, x1, y1, colour):
        self.pen.rectangle((x0 * FINE, y0 * FINE, x1 * FINE, y1 * FINE), colour)

    def paste(self, picture, x, y, width, height):
        self.image.paste(picture.resize((round(width * FINE), round(height * FINE)), Image.Resampling.NEAREST), (round(x * FINE), round(y * FINE)))


def report(verdict, alarm, sigmas, pulls, agreement, band, maps):
    """The page as a PIL image.

    verdict: a sentence; alarm: whether it is a bad one. sigmas: of the evaluations, falling. pulls: [(name, values)]; agreement: [(name, values)],
    nan where there is no value. band: (sigma, sigma) to mark, or None. maps: [(title, [PIL images])], all images of one size.
    """
    sigmas = [min(s, 3.0 * max((t for t in sigmas if t < math.inf), default=1.0)) for s in sigmas]      # a flow begins at infinity
    words = wrap(verdict, (WIDTH - 90) * FINE, font(19 * FINE))
    top = 58 + 25 * words.count("\n")
    map_width = min(170, (WIDTH - 60) // max(1, sum(len(p) + 0.3 for _, p in maps)) - 6) if maps else 0
    map_height = map_width * maps[0][1][0].height / maps[0][1][0].width if maps else 0
    page = _Page(top + 2 * 285 + (map_height + 110 if maps else 20))
    page.box(34, 24, 40, 24 + 25 * (words.count("\n") + 1) - 4, ALARM if alarm else CALM)
    page.text(54, 22, words, 19)
    high = max((v for _, values in pulls for v in values), default=0.0)
    step = _nice(high / 4 or 1.0)
    lines = [(name, values, COLOURS[i % len(COLOURS)]) for i, (name, values) in enumerate(pulls)]
    _panel(page, top + 20, "pull: how far each condition moves the estimate (root mean square)", sigmas, lines,
           [step * i for i in range(max(1, math.ceil(high / step - 1e-9)) + 1)], None)
    shown = agreement[:len(COLOURS)]
    lines = [(name, values, colour) for (name, values), colour in zip(shown, COLOURS, strict=False)]
    most = f", the {len(shown)} most opposed pairs" if len(shown) < len(agreement) else ""
    _panel(page, top + 305, f"agreement: the cosine between what two conditions ask for (-1: the opposite){most}", sigmas, lines,
           [-1.0, -0.5, 0.0, 0.5, 1.0], band)
    x, y = 34.0, top + 2 * 285 + 30
    if maps:
        page.text(x, y, "disagreement: where conditions cancel each other (bright), beside the picture at that step", 16)
    for title, pictures in maps:
        page.text(x, y + 29, title, 14, PALE)
        for k, picture in enumerate(pictures):
            page.paste(picture, x + k * (map_width + 4), y + 52, map_width, map_height)
        x += len(pictures) * (map_width + 4) + 0.3 * map_width
    return page.image.reduce(FINE)


def _nice(step):
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return power * next(m for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))


def _panel(page, top, title, sigmas, lines, ticks, band):
    """Lines over log sigma, from the first noise level to the last; their names are beside their ends, as far apart as they can be read."""
    left, right, upper, lower = 84, WIDTH - SIDE, top + 34, top + 226
    first, last = math.log(max(sigmas)), math.log(min(sigmas))

    def across(sigma):
        return left + (right - left) * ((first - math.log(sigma)) / (first - last) if first > last else 0.5)

    def up(value):
        return lower + (upper - lower) * (value - ticks[0]) / (ticks[-1] - ticks[0])
    page.text(34, top, title, 16)
    if band:
        ends = [across(min(max(s, min(sigmas)), max(sigmas))) for s in band]
        page.box(min(ends) - 3, upper, max(ends) + 3, lower, BAND)
    for tick in ticks:
        page.line([(left, up(tick)), (right, up(tick))], GRID, 2 if tick == 0 else 1)
        page.text(left - 10, up(tick), f"{tick:g}", 13, PALE, "rm")
    marks = [m * 10.0 ** e for e in range(math.floor(last / math.log(10)), math.ceil(first / math.log(10)) + 1)
             for m in ((1,) if first - last > 5 else (1, 2, 5))]
    for mark in (m for m in marks if math.exp(last) * 0.999 <= m <= math.exp(first) * 1.001):
        page.line([(across(mark), lower), (across(mark), lower + 5)], PALE)
        page.text(across(mark), lower + 9, f"{mark:g}", 13, PALE, "ma")
    page.text(right, lower + 28, "sigma: from noise to picture", 13, PALE, "ra")
    ends = []
    for name, values, colour in lines:
        points = [None if math.isnan(v) else (across(s), up(v)) for s, v in zip(sigmas, values, strict=True)]
        for start, end in zip(points, points[1:], strict=False):
            if start and end:
                page.line([start, end], colour, 2)
        for x, y in filter(None, points):
            page.pen.ellipse([(x - 2.5) * FINE, (y - 2.5) * FINE, (x + 2.5) * FINE, (y + 2.5) * FINE], colour)
        ends.append((next((p[1] for p in reversed(points) if p), lower), name, colour))
    ends.sort(key=lambda e: e[0])
    places = [y for y, _, _ in ends]
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + 20)
    for k, (_, name, colour) in enumerate(ends):
        y = min(places[k], lower - 20 * (len(ends) - 1 - k))
        first, *more = wrap(name, (SIDE - 60) * FINE, font(14 * FINE)).split("\n")
        page.text(right + 14, y, first + "..." * bool(more), 14, colour, "lm")


HEAT = ((20, 20, 38), (92, 24, 92), (196, 52, 70), (248, 148, 62), (252, 244, 188))       # from nothing to all that there is


def heat(field, most):
    """A field [H, W] of numbers from 0 to `most` in the colours of HEAT, as a PIL image."""
    level = (field / (most or 1.0)).clamp(0, 1).mul(255).round().byte().numpy()
    ramp = Image.new("RGB", (len(HEAT), 1))
    ramp.putdata(HEAT)
    table = ramp.resize((256, 1), Image.Resampling.BILINEAR).tobytes()
    picture = Image.fromarray(level).convert("P")
    picture.putpalette(table)
    return picture.convert("RGB")
