/** The regions of one node: who is there, what the text says, which shape is chosen, and every change of the text. */
import { expertsOf } from "../experts.js";
import { markUndoStep } from "../host.js";
import { widgetValue } from "../wires.js";
import { say } from "../words.js";
import { sizeFor } from "./picture.js";
import { read, write } from "./text.js";

const centred = shape => (shape.kind === "erase" ? shape : {...shape, centred: true});

export class Regions {
    experts = [];           // [{slot, name, color}]
    layers = [];            // [{who, slot, shapes}], the first at the bottom; slot undefined where nobody is there
    error = undefined;      // why the text cannot be read
    slot = undefined;       // of the expert who draws
    chosen = undefined;     // [layer, shape], by index
    linked = false;         // whether the text comes in by a wire
    size = [1, 1];          // of the picture, in pixels
    widget = undefined;     // whose value is the text
    onChange = () => {};

    #seen;
    #edited = false;
    #centred = new Set();   // slots of experts that see the picture with their shapes in the middle

    /** home: the node that has the text; path: the subgraphs' nodes from there to the node of the regions. */
    constructor(home, node, path) {
        Object.assign(this, {home, node, path});
    }

    get text() {
        return String(widgetValue(this.home, this.widget.name) ?? this.widget.value ?? "");
    }

    get #isLinked() {
        const {home, widget} = this;
        return Boolean(home.inputs?.some(input => input.widget?.name === widget.name && input.link != null));
    }

    /** Whether shapes can be drawn. */
    get editable() {
        return Boolean(this.experts.length) && !this.linked && !this.error;
    }

    /** What of the other widgets acts on the masks. */
    get settings() {
        const value = name => widgetValue(this.node, name, this.path);
        const rest = String(value("rest") ?? "").trim(), slot = this.#slotOf(rest);
        return {
            present: this.experts.map(expert => expert.slot), rest: slot ?? 0,
            feather: Number(value("feather") ?? 0), overlap: value("overlap"),
        };
    }

    expert(slot) {
        return this.experts.find(expert => expert.slot === slot);
    }

    /** The shape that is chosen. */
    get shape() {
        const [layer, shape] = this.chosen ?? [];
        return this.layers[layer]?.shapes[shape];
    }

    #slotOf(who) {
        if (/^\d+$/.test(who)) return this.expert(Number(who))?.slot;
        const named = this.experts.filter(({name}) => name === who);
        return named.length === 1 ? named[0].slot : undefined;
    }

    /** What a line calls an expert: its name, or its slot where the name does not tell it from others. */
    #nameOf(slot) {
        const {name} = this.expert(slot), twins = this.experts.filter(other => other.name === name);
        return twins.length > 1 || /^\d+$/.test(name) || !name ? String(slot) : name;
    }

    /** Follows text, names, wires and the latent's size; does nothing where none of them has changed. */
    refresh() {
        const {node, path, text} = this, linked = this.#isLinked;
        const experts = expertsOf(node, path), size = sizeFor(node, path);
        const seen = JSON.stringify([experts, text, linked, size, this.settings]);
        if (seen === this.#seen) return;
        this.#seen = seen;
        this.#rename(experts);
        Object.assign(this, {experts, linked, size, error: undefined});
        if (!this.expert(this.slot)) this.slot = experts[0]?.slot;
        try {
            this.layers = read(this.text).map(layer => ({...layer, slot: this.#slotOf(layer.who)}));
        } catch (error) {
            if (!(error instanceof RangeError)) throw error;
            Object.assign(this, {layers: [], error: error.message});
        }
        for (const slot of this.layers.map(layer => layer.slot)) this.#centred.delete(slot);
        for (const {slot, shapes} of this.layers) if (shapes.some(shape => shape.centred)) this.#centred.add(slot);
        if (!this.shape) this.chosen = undefined;
        this.onChange();
    }

    /** Lines of an expert who is called otherwise now are called so, too. */
    #rename(experts) {
        let {text} = this;
        for (const {slot, name} of this.experts) {
            const now = experts.find(expert => expert.slot === slot)?.name;
            if (!now || now === name || experts.some(expert => expert.name === name)) continue;
            const lines = text.split("\n").map(line => {
                const colon = line.lastIndexOf(":");
                return line.slice(0, colon).trim() === name ? now + line.slice(colon) : line;
            });
            text = lines.join("\n");
        }
        if (text !== this.text && !this.linked) this.widget.value = text;
    }

    // -- changes: each is one step of undo once it is committed ------------------------------------------------------

    #put(layers, chosen) {
        const text = write(layers);
        this.chosen = chosen;
        this.#edited ||= text !== this.text;
        this.widget.value = text;
        this.widget.callback?.(text);
        this.#seen = undefined;
        this.refresh();
        this.home.setDirtyCanvas?.(true, true);
    }

    /** The layers with other shapes in one of them. */
    #with(layer, shapes) {
        return this.layers.map((old, i) => (i === layer ? {...old, shapes} : old));
    }

    /** A text as it was typed. */
    type(text) {
        this.#edited = true;
        this.widget.value = text;
        this.widget.callback?.(text);
    }

    commit() {
        if (this.#edited) markUndoStep();
        this.#edited = false;
    }

    choose(chosen) {
        this.chosen = chosen;
        const slot = this.layers[chosen?.[0]]?.slot;
        if (slot) this.slot = slot;
        this.onChange();
    }

    /** Who draws from now on. */
    take(slot) {
        this.slot = slot;
        this.onChange();
    }

    /** A new shape of the one who draws, on top of the others; a rubber takes away from the shapes of theirs. */
    add(drawn) {
        const [shape] = this.#asSeen(this.slot, [drawn]);
        const own = this.layers.map(({slot}) => slot).lastIndexOf(this.slot), last = this.layers.length - 1;
        if (shape.kind === "erase" && own < 0) return;
        const onTop = own >= 0 && (own === last || shape.kind === "erase");
        const layers = onTop
            ? this.#with(own, [...this.layers[own].shapes, shape])
            : [...this.layers, {who: this.#nameOf(this.slot), slot: this.slot, shapes: [shape]}];
        const at = onTop ? own : last + 1;
        this.#put(layers, [at, layers[at].shapes.length - 1]);
    }

    /** Puts another shape in the place of the chosen one. */
    change(shape) {
        const [layer, place] = this.chosen;
        const shapes = this.layers[layer].shapes.map((old, i) => (i === place ? shape : old));
        this.#put(this.#with(layer, shapes), this.chosen);
    }

    /** Shows the expert of the chosen shape the picture with its shapes in the middle, or as it is again. */
    centre() {
        const {slot} = this.layers[this.chosen[0]], own = this.layers.filter(layer => layer.slot === slot);
        if (own.some(({shapes}) => shapes.some(({crop}) => crop))) return;
        const turn = this.#centred.has(slot) ? ({centred, ...shape}) => shape : centred;
        this.#put(this.layers.map(layer => (own.includes(layer) ? {...layer, shapes: layer.shapes.map(turn)} : layer)),
            this.chosen);
    }

    /** Whether the expert of the chosen shape sees it in the middle. */
    get isCentred() {
        return Boolean(this.shape) && this.#centred.has(this.layers[this.chosen[0]].slot);
    }

    /** Shapes of an expert as it sees them: so it stays where others take their place. */
    #asSeen(slot, shapes) {
        return this.#centred.has(slot) ? shapes.map(centred) : shapes;
    }

    /** Takes the chosen shape away. */
    remove() {
        const [layer, place] = this.chosen;
        const shapes = this.layers[layer].shapes.filter((_, i) => i !== place);
        this.#put(this.#with(layer, shapes).filter(one => one.shapes.length));
    }

    /** Moves the line of the chosen shape to the top or to the bottom. */
    order(toTop) {
        const [layer, place] = this.chosen, line = this.layers[layer];
        const others = this.layers.filter((_, i) => i !== layer);
        this.#put(toTop ? [...others, line] : [line, ...others], [toTop ? others.length : 0, place]);
    }

    /** Gives the chosen shape to another expert, in a line of its own. */
    give(slot) {
        const {shape} = this;
        if (!shape || shape.kind === "erase") return;
        this.remove();
        this.slot = slot;
        this.add(shape);
    }

    /** Other layers in the place of all: [[slot, shapes], ...]. */
    start(parts) {
        const layer = (slot, shapes) => ({who: this.#nameOf(slot), slot, shapes: this.#asSeen(slot, shapes)});
        this.#put(parts.map(([slot, shapes]) => layer(slot, shapes)));
    }

    /** What a shape is, in words. */
    spoken(layer, shape) {
        const name = this.expert(layer.slot)?.name ?? layer.who;
        const [a, b, c, d] = shape.numbers.map(number => Math.round(number * 100));
        if (shape.kind === "box") return say`${name}: box from ${a}, ${b} to ${c}, ${d} %`;
        if (shape.kind === "ellipse") return say`${name}: ellipse around ${a}, ${b} %, ${2 * c} wide, ${2 * d} high`;
        if (shape.kind === "brush") return say`${name}: brush stroke from ${b}, ${c} %`;
        return say`${name}: erased from ${b}, ${c} %`;
    }
}
