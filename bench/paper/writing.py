"""What the experiments leave behind: results.json, the tables as Markdown, and the figures as sheets."""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ...devtools.enlarging import enlarge
from ...devtools.inprocess import InProcess
from ...devtools.pictures.sheets import captioned, images, maps, sheet, texts
from ...training.judges.portraits import Conditions

TITLES = {
    "table 1": "Table 1: hair and skin maps of drawings as the hair expert's data set has them",
    "table 2": "Table 2: the same for the skin expert's data set",
    "table 3": "Table 3: an object (class expert) in a scene (text expert), right in so many pictures",
    "table 3 in shares": "Table 3 in shares: the same pairs, by whose look the picture has",
    "table 3 cured": "Table 3 at w = 5, half the look of each: what keeps colours from burning",
    "table 4": "Table 4: maps of one drawing, words of another: one modality, joint training, ours",
}
PERCENT = ("object", "scene", "both", "attributes", "saturated")     # columns that are shares


def write(experts: Mapping[str, str], results: Mapping[str, Any], folder: Path) -> str:
    """Writes results.json and tables.md into a folder. experts: {expert: hash of its weights}. Returns the tables."""
    (folder / "results.json").write_text(json.dumps({"experts": experts, **results}, indent=1))
    tables = markdown(results)
    (folder / "tables.md").write_text(tables)
    return tables


def unchanged(folder: Path, experts: Mapping[str, str], anew: Sequence[str]) -> dict[str, Any]:
    """What results.json of a folder holds, of which the experts in `anew` are about to be measured again.

    Raises SystemExit where the weights of another one are not those that the results were measured with.
    """
    results: dict[str, Any] = json.loads((folder / "results.json").read_text())
    measured = results.pop("experts")
    for name, weights in experts.items():
        if name not in anew and measured.get(name) != weights:
            raise SystemExit(f"The weights of the {name} expert have changed, too: measure everything, without --only.")
    return results


def older(measured: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    """What the page must say of experts whose weights are no longer those of the results. Both: {expert: hash}."""
    lines = []
    for name, weights in present.items():
        if measured[name] != weights:
            lines.append(f"- {name}: measured with `{measured[name]}`, the file is `{weights}` now")
    return lines


def markdown(results: Mapping[str, Any]) -> str:
    """The tables of results as Markdown."""
    lines = []
    for name, title in TITLES.items():
        settings = ", ".join(told(key, value) for key, value in results[name].items() if key != "rows")
        lines += [f"**{title}** ({settings})", "", *table(results[name]["rows"]), ""]
    return "\n".join(lines)


def told(name: str, value: int | str) -> str:
    """One setting of a table: "12 conditions", "data set 'studio'"."""
    return f"{value} {name}" if isinstance(value, int) else f"{name} '{value}'"


def table(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The lines of one table; a row may lack columns."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = [f"| | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for title, row in rows.items():
        cells = [number(column, row[column]) if column in row else "" for column in columns]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def number(column: str, value: float) -> str:
    if column in PERCENT:
        digits = 1 if column == "saturated" else 0
        return f"{100 * value:.{digits}f} %"
    return f"{value:.1f}" if column == "Frechet" else f"{value:.3f}"


# ------------------------------------------------------------------- sheets: pictures are [N, 3, 64, 64] in [-1, 1]

def figure_8(conditions: Conditions, pictures: Mapping[str, torch.Tensor], path: Path) -> None:
    """Some conditions of table 4 under joint training and under the method. pictures: {row of the table: pictures}."""
    count = len(conditions.words)
    drawn = {row.replace(", w", "\nw"): images(found[:count]) for row, found in pictures.items()}
    given = {
        "hair map": maps(conditions.regions, "hair"),
        "skin map": maps(conditions.regions, "skin"),
        "words": texts(conditions.words),
    }
    sheet([""] * count, given | drawn, path)


def sheet_of_table_3(
    comfy: InProcess, titles: Sequence[str], pictures: Sequence[torch.Tensor], path: Path,
) -> None:
    """Some pairs of table 3 by all its methods, and at half the look of each, enlarged.

    titles: object and scene of each. pictures: per row of the table, and those at half the look.
    """
    columns = ("text expert\nalone", "class expert\nalone", "CompGen", "ours,\na = 0", "ours,\na = 0.5", "ours,\na = 1",
               "ours, w = 2,\nhalf the look")
    sheet(titles, titled(columns, [enlarge(comfy, found[:len(titles)]) for found in pictures]), path)


def sheet_of_pairs(titles: Sequence[str], pictures: torch.Tensor, path: Path) -> None:
    """Pictures of pairs of an object and a scene."""
    captioned(titles, images(pictures[:len(titles)]), path)


def reliability_of_scenes(pairs: Sequence[tuple[str, str]], pictures: Mapping[float, torch.Tensor], path: Path) -> None:
    """pictures: {reliability of the text expert: pictures of all pairs of an object and a scene}."""
    columns = [f"class {1 - a:g}\ntext {a:g}" for a in pictures]
    sheet([f"{item},\n{place}" for item, place in pairs], titled(columns, list(pictures.values())), path)


def reliability_of_faces(conditions: Conditions, pictures: Mapping[float, torch.Tensor], path: Path) -> None:
    """pictures: {reliability of the text expert: pictures of all conditions}."""
    columns = [f"skin map {1 - a:g}\ntext {a:g}" for a in pictures]
    given = {"skin map": maps(conditions.regions, "skin"), "words": texts(conditions.words)}
    sheet([""] * len(conditions.words), given | titled(columns, list(pictures.values())), path)


def figure_25(conditions: Conditions, pictures: Sequence[torch.Tensor], path: Path) -> None:
    """A hair map against the word 'bald'."""
    columns = ("and 'bald',\nw of text = 2", "and 'bald',\nw of text = 5")
    given = {"this hair": maps(conditions.regions, "hair")}
    sheet([""] * len(conditions.words), given | titled(columns, pictures), path)


def figure_26(places: Sequence[tuple[str, str]], pictures: Sequence[torch.Tensor], path: Path) -> None:
    """Two scenes at once."""
    sheet([f"{one} and\n{other}" for one, other in places], titled(("the one", "the other", "both"), pictures), path)


def titled(titles: Sequence[str], pictures: Sequence[torch.Tensor]) -> dict[str, Any]:
    """Columns of a sheet: {title: cells}."""
    return {title: images(found) for title, found in zip(titles, pictures, strict=True)}
