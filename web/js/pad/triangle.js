/** Three experts: a triangle with one of them at each corner. A point's shares are its barycentric coordinates. */
import { make } from "../dom.js";
import { say } from "../words.js";
import { grip } from "./grip.js";
import { legend, mixedColor, spoken } from "./legend.js";
import { numberField } from "./number_field.js";
import { sum, toStep, toThousandth, withShare } from "./numbers.js";

/** In the viewBox 0 0 140 122: the first expert on top, the second on the left, the third on the right. */
const CORNERS = [[70, 9], [10, 113], [130, 113]];
const POINTS = CORNERS.map(corner => corner.join(",")).join(" ");
let count = 0;                                                          // of triangles: their gradients need ids

function pointOf(shares) {
    const along = axis => sum(CORNERS.map((corner, i) => shares[i] * corner[axis]));
    return [along(0), along(1)];
}

/** A point of an edge: `share` of corner i, the rest of corner j. */
function edgePoint(i, j, share) {
    const shares = [0, 0, 0];
    shares[i] = share;
    shares[j] = 1 - share;
    return pointOf(shares);
}

/** The shares where a pointer is, in whole steps; outside the triangle those at its border. box: the triangle's. */
function sharesAt(event, box) {
    const top = 1 - (event.clientY - box.top) / box.height;
    const right = (event.clientX - box.left) / box.width - top / 2;
    const inside = [top, 1 - top - right, right].map(share => Math.max(0, share));
    const total = sum(inside);
    const first = toStep(inside[0] / total), last = toStep(inside[2] / total);
    return [first, Math.max(0, 1 - first - last), Math.min(last, 1 - first)];
}

/** The shares that a key leads to: up and down move the first, left and right trade between the other two. */
function sharesAfter(shares, key, step) {
    const [top, left, right] = shares;
    switch (key) {
        case "ArrowUp": case "PageUp": return withShare(shares, 0, toThousandth(top + step));
        case "ArrowDown": case "PageDown": return withShare(shares, 0, toThousandth(top - step));
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

/** The line where the share of corner i is constant. */
function gridLine(i, share) {
    const [x1, y1] = edgePoint(i, (i + 1) % 3, share);
    const [x2, y2] = edgePoint(i, (i + 2) % 3, share);
    return make("svg:line", {x1, y1, x2, y2});
}

function drawing(experts) {
    const [first, , last] = experts;
    const names = experts.map(expert => expert.label).join(", ");
    const svg = make("svg:svg", {
        class: "mcdm-pad-triangle", viewBox: "0 0 140 122", role: "slider", "aria-roledescription": say`triangle`,
        "aria-label": say`Reliabilities of ${names}`, "aria-valuemin": 0, "aria-valuemax": 100,
    });
    const help = say`Drag, or arrow keys (Shift: big steps). Home: ${first.label} alone. End: ${last.label} alone.`;
    svg.append(make("svg:title", {}, help));
    const id = `mcdm-pad-${++count}`;
    for (const [i, {color}] of experts.entries()) svg.append(...cornerFill(i, color, `${id}-${i}`));
    for (const i of [0, 1, 2])
        for (const share of [0.25, 0.5, 0.75]) svg.append(gridLine(i, share));
    const edge = make("svg:polygon", {points: POINTS, class: "mcdm-pad-edge"});
    const ring = make("svg:circle", {class: "mcdm-pad-ring", r: 11});
    const thumb = make("svg:circle", {class: "mcdm-pad-thumb", r: 7});
    svg.append(edge, ring, thumb);
    return {svg, edge, ring, thumb};
}

/** {elements, height, show}; height in pixels, as reliability_pad.css has it. */
export function triangle(reliabilities) {
    const {experts} = reliabilities;
    const {svg, edge, ring, thumb} = drawing(experts);
    const fields = experts.map((_, i) => numberField(reliabilities, i));
    const [top, left, right] = experts.map((expert, i) => legend(expert, fields[i].element));
    grip(svg, reliabilities, event => sharesAt(event, edge.getBoundingClientRect()),
        (key, step) => sharesAfter(reliabilities.shares, key, step));
    return {
        elements: [make("div", {class: "mcdm-pad-ends"}, top), svg, make("div", {class: "mcdm-pad-ends"}, left, right)],
        height: 182,
        show() {
            const {shares} = reliabilities;
            const [cx, cy] = pointOf(shares);
            for (const circle of [ring, thumb]) {
                circle.setAttribute("cx", cx);
                circle.setAttribute("cy", cy);
            }
            thumb.style.fill = mixedColor(experts, shares);
            svg.setAttribute("aria-valuenow", Math.round(shares[0] * 100));
            svg.setAttribute("aria-valuetext", spoken(experts, shares));
            for (const field of fields) field.show();
        },
    };
}
