/** Notes that stand beside a node, where nothing else is, in whichever graph is shown: they change no node. */
import { app } from "../../../scripts/app.js";
import { addStylesheet, make } from "./dom.js";
import { boxOf, nodeOf, shownAt } from "./host.js";

const GAP = 8, ROOM = 9, NARROWEST = 220;                              // in the units of the canvas

const notes = new Map();                                                // "kind id" -> {kind, id, of, element, ...}

addStylesheet("floating.css");

/** Boxes are [left, top, width, height]. */
function meet(a, b) {
    return [0, 1].every(i => Math.min(a[i] + a[i + 2], b[i] + b[i + 2]) > Math.max(a[i], b[i]));
}

/** Moves a box away from [left, top] along one axis, over everything that is in its way. */
function slide(place, axis, forwards, taken) {
    const moved = [...place];
    for (let steps = 0; steps <= taken.length; steps++) {
        const other = taken.find(box => meet(moved, box));
        if (!other) return moved;
        moved[axis] = forwards ? other[axis] + other[axis + 2] + GAP : other[axis] - moved[axis + 2] - GAP;
    }
    return moved;
}

/** {place, away}: the places that touch a box with room to all others, by how far each has gone along its side. */
function placesAt([left, top, width, height], [ownWidth, ownHeight], others) {
    const levels = (axis, start, size, own) => {
        const beside = others.flatMap(box => [box[axis] - own - ROOM, box[axis] + box[axis + 2] + ROOM]);
        return [start, start + size - own, ...beside].filter(at => at < start + size && at + own > start);
    };
    const xs = levels(0, left, width, ownWidth), ys = levels(1, top, height, ownHeight);
    const sides = [
        ...xs.map(x => [x, top + height + GAP]), ...ys.map(y => [left + width + GAP, y]),
        ...ys.map(y => [left - ownWidth - GAP, y]), ...xs.map(x => [x, top - ownHeight - GAP]),
    ];
    const roomy = others.map(([x, y, w, h]) => [x - GAP, y - GAP, w + 2 * GAP, h + 2 * GAP]);
    const places = sides.map(([x, y]) => ({
        place: [x, y, ownWidth, ownHeight], away: Math.min(Math.abs(x - left), Math.abs(y - top)),
    }));
    return places.filter(({place}) => !roomy.some(box => meet(place, box)));
}

/** The free place that is nearest to a box: one that touches it, else the next one below, beside or above it. */
function placeFor(own, size, taken) {
    const nearest = places => places.reduce((best, other) => (other.away < best.away ? other : best)).place;
    const touching = placesAt(own, size, taken.filter(box => box !== own));
    if (touching.length) return nearest(touching);
    const [left, top, width, height] = own, [ownWidth, ownHeight] = size;
    const sides = [
        [left, top + height + GAP, 1, true], [left + width + GAP, top, 0, true],
        [left - ownWidth - GAP, top, 0, false], [left, top - ownHeight - GAP, 1, false],
    ];
    const places = sides.map(([x, y, axis, forwards]) => {
        const place = slide([x, y, ownWidth, ownHeight], axis, forwards, taken);
        return {place, away: Math.abs(place[0] - x) + Math.abs(place[1] - y)};
    });
    return nearest(places);
}

/** Whether a note is of the past: its node has gone, or said the same and no longer does. */
function isOver(note) {
    const before = note.saysItself, now = note.asks(note.of);
    note.saysItself = now;
    return nodeOf(note.id) !== note.of || (before && !now);
}

/** Puts every note where its node is now. Hidden are those of nodes that are not shown, or say the same themselves. */
function place() {
    for (const note of [...notes.values()]) if (isOver(note)) removeNotes([note.kind], note.id);
    const {canvas, ds} = app.canvas, {left, top} = canvas.getBoundingClientRect();
    const boxes = new Map(app.canvas.graph.nodes.map(node => [node, boxOf(node)])), taken = [...boxes.values()];
    for (const {id, element, asks, saysItself} of notes.values()) {
        const node = shownAt(id);
        element.hidden = !node || (saysItself && asks(node));
        if (element.hidden) continue;
        const box = boxes.get(node) ?? boxOf(node);
        element.style.width = `${Math.max(NARROWEST, box[2])}px`;
        const at = placeFor(box, [Math.max(NARROWEST, box[2]), element.offsetHeight], taken);
        taken.push(at);
        const x = left + (at[0] + ds.offset[0]) * ds.scale, y = top + (at[1] + ds.offset[1]) * ds.scale;
        element.style.transform = `translate(${x}px, ${y}px) scale(${ds.scale})`;
    }
    if (notes.size) requestAnimationFrame(place);
}

/**
 * Shows a sentence beside a node, the one note of its kind there. id: an execution id, as host.js reads them.
 * asks(node): whether a node says the same itself.
 */
export function note(kind, id, message, asks = () => false) {
    const key = `${kind} ${id}`, known = notes.get(key);
    if (known) {
        known.element.textContent = message;
        return;
    }
    const role = kind === "error" ? "alert" : "status";
    const element = make("div", {class: `mcdm-floating mcdm-${kind}`, role, hidden: ""}, message);
    app.canvas.canvas.parentElement.append(element);
    notes.set(key, {kind, id, of: nodeOf(id), element, asks, saysItself: false});
    if (notes.size === 1) requestAnimationFrame(place);
}

/** Takes away all notes of the kinds, or those of one node. */
export function removeNotes(kinds, id) {
    for (const [key, {kind, id: own, element}] of [...notes]) {
        if (!kinds.includes(kind) || (id !== undefined && id !== own)) continue;
        element.remove();
        notes.delete(key);
    }
}
