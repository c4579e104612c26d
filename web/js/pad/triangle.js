/** Three experts: a triangle with one of them at each corner. A point's numbers are its barycentric coordinates. */
import { make } from "../dom.js";
import { say } from "../words.js";
import { grip } from "./grip.js";
import { legend, mixedColor, spoken } from "./legend.js";
import { numberField } from "./number_field.js";
import { sum, toStep, toThousandth, withNumber } from "./numbers.js";
import { TERMS } from "./terms.js";

/** In the viewBox 0 0 140 122: the first expert on top, the second on the left, the third on the right. */
const CORNERS = [[70, 9], [10, 113], [130, 113]];
const POINTS = CORNERS.map(corner => corner.join(",")).join(" ");
let count = 0;                                                          // of triangles: their gradients need ids

function pointOf(numbers) {
    const along = axis => sum(CORNERS.map((corner, i) => numbers[i] * corner[axis]));
    return [along(0), along(1)];
}

/** A point of an edge: `number` of corner i, the rest of corner j. */
function edgePoint(i, j, number) {
    const numbers = [0, 0, 0];
    numbers[i] = number;
    numbers[j] = 1 - number;
    return pointOf(numbers);
}

/** The numbers where a pointer is, in whole steps; outside the triangle those at its border. box: the triangle's. */
function numbersAt(event, box) {
    const top = 1 - (event.clientY - box.top) / box.height;
    const right = (event.clientX - box.left) / box.width - top / 2;
    const inside = [top, 1 - top - right, right].map(number => Math.max(0, number));
    const total = sum(inside);
    const first = toStep(inside[0] / total), last = toStep(inside[2] / total);
    return [first, Math.max(0, 1 - first - last), Math.min(last, 1 - first)];
}

/** The numbers that a key leads to: up and down move the first, left and right trade between the other two. */
function numbersAfter(numbers, key, step) {
    const [top, left, right] = numbers;
    switch (key) {
        case "ArrowUp": case "PageUp": return withNumber(numbers, 0, toThousandth(top + step));
        case "ArrowDown": case "PageDown": return withNumber(numbers, 0, toThousandth(top - step));
        case "ArrowRight": return [top, left - Math.min(step, left), right + Math.min(step, left)];
        case "ArrowLeft": return [top, left + Math.min(step, right), right - Math.min(step, right)];
        case "Home": return [1, 0, 0];
        case "End": return [0, 0, 1];
    }
}

/** A corner's colour, fading towards the opposite edge. */
function cornerFill(i, color, id) {
    const [x1, y1] = CORNERS[i];
    const [x2, y2] = edgePoint((i + 1) % 3, (i + 2) % 3, 0.5);
    const gradient = make("svg:linearGradient", {id, gradientUnits: "userSpaceOnUse", x1, y1, x2, y2},
        make("svg:stop", {offset: 0, "stop-color": color}),
        make("svg:stop", {offset: 1, "stop-color": color, "stop-opacity": 0}));
    return [gradient, make("svg:polygon", {points: POINTS, fill: `url(#${id})`, class: "mcdm-pad-area"})];
}

/** The line where the number of corner i is constant. */
function gridLine(i, number) {
    const [x1, y1] = edgePoint(i, (i + 1) % 3, number);
    const [x2, y2] = edgePoint(i, (i + 2) % 3, number);
    return make("svg:line", {x1, y1, x2, y2});
}

/** The part of a polygon, of points in numbers, where number i is on one side of a bound. */
function cut(polygon, i, bound, side) {
    const isIn = point => side * (point[i] - bound) >= 0;
    return polygon.flatMap((point, k) => {
        const next = polygon[(k + 1) % polygon.length], kept = isIn(point) ? [point] : [];
        if (isIn(point) === isIn(next)) return kept;
        const way = (bound - point[i]) / (next[i] - point[i]);
        return [...kept, point.map((number, j) => number + way * (next[j] - number))];
    });
}

/** The path of what lies in the triangle and outside the limits, "" where they leave nothing out. */
function pathOutside(limits) {
    let inside = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
    const loose = limits ?? [];
    if (loose.every(([low, high]) => low < 0.0005 && high > 0.9995)) return "";
    for (const [i, [low, high]] of loose.entries()) {
        if (low > -Infinity) inside = cut(inside, i, low, 1);
        if (high < Infinity) inside = cut(inside, i, high, -1);
    }
    const loops = [CORNERS, inside.map(pointOf)].filter(points => points.length);
    return loops.map(points => `M${points.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L")}Z`).join("");
}

/** Stripes for what is left out, and the area that has them. */
function hatching(id) {
    const stripes = make("svg:pattern", {
        id, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)",
    }, make("svg:rect", {width: 5, height: 5, class: "mcdm-pad-veil"}), make("svg:line", {x1: 0, y1: 0, x2: 0, y2: 5}));
    const area = make("svg:path", {fill: `url(#${id})`, "fill-rule": "evenodd", class: "mcdm-pad-outside"});
    return [stripes, area];
}

function drawing(experts, meaning) {
    const [first, , last] = experts;
    const names = experts.map(expert => expert.label).join(", ");
    const svg = make("svg:svg", {
        class: "mcdm-pad-triangle", viewBox: "0 0 140 122", role: "slider", "aria-roledescription": say`triangle`,
        "aria-label": TERMS[meaning].all(names), "aria-valuemin": 0, "aria-valuemax": 100,
    });
    const help = say`Drag, or arrow keys (Shift: big steps). Home: ${first.label} alone. End: ${last.label} alone.`;
    svg.append(make("svg:title", {}, help));
    const id = `mcdm-pad-${++count}`;
    for (const [i, {color}] of experts.entries()) svg.append(...cornerFill(i, color, `${id}-${i}`));
    for (const i of [0, 1, 2])
        for (const number of [0.25, 0.5, 0.75]) svg.append(gridLine(i, number));
    const edge = make("svg:polygon", {points: POINTS, class: "mcdm-pad-edge"});
    const ring = make("svg:circle", {class: "mcdm-pad-ring", r: 11});
    const thumb = make("svg:circle", {class: "mcdm-pad-thumb", r: 7});
    const [stripes, outside] = hatching(`${id}-out`);
    svg.append(stripes, outside, edge, ring, thumb);
    return {svg, edge, ring, thumb, outside};
}

/** {elements, height, show}; height in pixels, as reliability_pad.css has it. */
export function triangle(mix) {
    const {experts} = mix;
    const {svg, edge, ring, thumb, outside} = drawing(experts, mix.meaning);
    const fields = experts.map((_, i) => numberField(mix, i));
    const [top, left, right] = experts.map((expert, i) => legend(expert, fields[i].element));
    grip(svg, mix, event => numbersAt(event, edge.getBoundingClientRect()),
        (key, step) => numbersAfter(mix.numbers, key, step));
    return {
        elements: [make("div", {class: "mcdm-pad-ends"}, top), svg, make("div", {class: "mcdm-pad-ends"}, left, right)],
        height: 182,
        show() {
            const {numbers} = mix;
            const [cx, cy] = pointOf(numbers);
            for (const circle of [ring, thumb]) {
                circle.setAttribute("cx", cx);
                circle.setAttribute("cy", cy);
            }
            outside.setAttribute("d", pathOutside(mix.limits));
            thumb.style.fill = mixedColor(experts, numbers);
            svg.setAttribute("aria-valuenow", Math.round(numbers[0] * 100));
            svg.setAttribute("aria-valuetext", spoken(experts, numbers));
            for (const field of fields) field.show();
        },
    };
}
