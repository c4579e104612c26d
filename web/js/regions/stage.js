/** The canvas: picture, tint, and the shapes, with pointer, touch and keys. */
import { make } from "../dom.js";
import { canvasIsLocked } from "../host.js";
import { say } from "../words.js";
import { drawHandles, drawShape, drawTint } from "./drawing.js";
import { lastPicture } from "./picture.js";
import { boundsOf, insideOf, moved, resized, spanned, thinned } from "./shapes.js";

const LONGER = 200;         // of the drawing's sides, in its own units
const STEP = 0.01, CLICK = 0.01, TOLERANCE = 0.004, ASIDE = 0.04;
const ARROWS = {ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP]};
const FRESH = {box: [0.3, 0.3, 0.7, 0.7], ellipse: [0.5, 0.5, 0.2, 0.2]};

export class Stage {
    tool = "box";
    radius = 0.06;          // of the brush, a part of the smaller side
    showsPicture = true;

    #waits = false;
    #redrawn = false;       // at this moment, by which the focus passes from an element to the one in its place
    #view = [LONGER, LONGER];

    constructor(regions) {
        this.regions = regions;
        this.image = make("img", {alt: "", draggable: "false"});
        this.tint = make("canvas", {"aria-hidden": "true"});
        this.svg = make("svg:svg", {tabindex: 0, role: "group", preserveAspectRatio: "none"});
        this.element = make("div", {class: "mcdm-regions-stage"}, this.image, this.tint, this.svg);
        this.svg.addEventListener("pointerdown", event => this.#pressed(event));
        this.svg.addEventListener("keydown", event => this.#keyed(event));
        for (const type of ["keyup", "focusout"])
            this.svg.addEventListener(type, () => this.#redrawn || regions.commit());
    }

    /** Width divided by height. */
    get aspect() {
        const [width, height] = this.regions.size;
        return width / height;
    }

    // -- what is shown -----------------------------------------------------------------------------------------------

    show() {
        const [width, height] = this.regions.size, scale = LONGER / Math.max(width, height);
        this.#view = [width * scale, height * scale];
        this.element.style.setProperty("--mcdm-aspect", String(width / height));
        this.svg.setAttribute("viewBox", `0 0 ${this.#view.join(" ")}`);
        const names = this.regions.experts.map(({name}) => name).join(", ");
        this.svg.setAttribute("aria-label", say`Regions of ${names}. Enter adds a shape.`);
        this.showPicture();
        this.#drawShapes();
        this.#drawTintSoon();
    }

    showPicture() {
        const address = this.showsPicture ? lastPicture() : undefined;
        this.image.hidden = !address;
        if (address && this.image.getAttribute("src") !== address) this.image.src = address;
    }

    #drawShapes() {
        const {layers} = this.regions, active = document.activeElement;
        const focused = this.svg.contains(active);
        const drawn = layers.flatMap((layer, i) => layer.shapes.map((shape, j) => this.#drawn(layer, shape, [i, j])));
        this.#redrawn = true;
        this.svg.replaceChildren(...drawn, ...drawHandles(this.regions.shape, this.#view));
        if (focused) this.#focusChosen();
        this.#redrawn = false;
    }

    #drawn(layer, shape, at) {
        const {regions} = this, chosen = String(at) === String(regions.chosen);
        const label = regions.spoken(layer, shape), expert = regions.expert(layer.slot);
        const drawn = drawShape(shape, this.#view, {label, expert, chosen});
        drawn.addEventListener("focus", () => String(at) === String(regions.chosen) || regions.choose(at));
        return drawn;
    }

    #drawTintSoon() {
        if (this.#waits) return;
        this.#waits = true;
        requestAnimationFrame(() => {
            this.#waits = false;
            drawTint(this.tint, this.regions, this.regions.size);
        });
    }

    // -- pointer -----------------------------------------------------------------------------------------------------

    #place(event) {
        const box = this.svg.getBoundingClientRect();
        const along = (at, from, length) => Math.min(1, Math.max(0, (at - from) / length));
        return [along(event.clientX, box.left, box.width), along(event.clientY, box.top, box.height)];
    }

    /** [layer, shape] of what lies on top at a place. */
    #under([x, y]) {
        const {layers} = this.regions;
        for (let i = layers.length - 1; i >= 0; i--)
            for (let j = layers[i].shapes.length - 1; j >= 0; j--)
                if (insideOf(layers[i].shapes[j], ...this.#view)(x, y)) return [i, j];
    }

    #pressed(event) {
        const {regions} = this;
        if (event.button !== 0 || canvasIsLocked() || !regions.editable) return;
        event.preventDefault();
        this.#focusChosen();
        const start = this.#place(event), {shape} = regions;
        const side = event.target.closest(".mcdm-regions-handle")?.dataset.side.split(" ").map(Number);
        const draws = this.tool === "brush" || this.tool === "erase";
        const moves = !draws && shape && insideOf(shape, ...this.#view)(...start);
        if (side) this.#follow(event, place => regions.change(this.#dragged(shape, side, place)));
        else if (moves) this.#follow(event, ([x, y]) => regions.change(moved(shape, x - start[0], y - start[1])));
        else if (draws) this.#stroke(event, start);
        else this.#span(event, start);
    }

    /** Calls follow(place, event) until the pointer is up, then end(). */
    #follow(event, follow, end = () => {}) {
        const {svg} = this, mine = listener => e => e.pointerId === event.pointerId && listener(e);
        const stop = mine(() => {
            for (const [type, listener] of listeners) svg.removeEventListener(type, listener);
            end();
            this.regions.commit();
        });
        const listeners = [["pointermove", mine(e => follow(this.#place(e)))]];
        for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) listeners.push([type, stop]);
        for (const [type, listener] of listeners) svg.addEventListener(type, listener);
        svg.setPointerCapture(event.pointerId);
    }

    #dragged(shape, [x, y], place) {
        const [left, top, right, bottom] = boundsOf(shape, ...this.#view);
        const sides = [[left, right], [top, bottom]].map(([low, high], axis) => {
            const side = [x, y][axis];
            return [side < 0 ? place[axis] : low, side > 0 ? place[axis] : high];
        });
        return spanned(shape, sides.map(pair => pair[0]), sides.map(pair => pair[1]));
    }

    /** A box or an ellipse from corner to corner; a click chooses what lies there. */
    #span(event, start) {
        const {regions, tool} = this;
        let drawn = false;
        this.#follow(event, place => {
            const far = Math.max(...place.map((at, axis) => Math.abs(at - start[axis]))) > CLICK;
            if (!drawn && !far) return;
            const shape = spanned({kind: tool, numbers: []}, start, place);
            if (drawn) regions.change(shape);
            else regions.add(shape);
            drawn = true;
        }, () => drawn || this.#choose(this.#under(start)));
    }

    #stroke(event, start) {
        const {regions, tool, radius} = this, points = [start];
        const numbers = () => [radius, ...thinned(points, TOLERANCE).flat()];
        regions.add({kind: tool, numbers: numbers()});
        if (regions.shape?.kind !== tool) return;
        this.#follow(event, place => {
            points.push(place);
            regions.change({...regions.shape, numbers: numbers()});
        });
    }

    #choose(at) {
        this.regions.choose(at);
        this.#focusChosen();
    }

    #focusChosen() {
        const goal = this.svg.querySelector(".mcdm-regions-chosen") ?? this.svg;
        if (goal !== document.activeElement) goal.focus({preventScroll: true});
    }

    // -- keys --------------------------------------------------------------------------------------------------------

    #keyed(event) {
        const {regions} = this, {shape} = regions, held = event.ctrlKey || event.metaKey;
        if (held && /^[zy]$/i.test(event.key)) regions.commit();         // the page undoes it, wherever the focus is
        if (held || event.altKey || !regions.editable || !this.#act(event, shape)) return;
        event.preventDefault();
        event.stopPropagation();
    }

    /** Whether a key was one of the canvas's. */
    #act({key, shiftKey}, shape) {
        const {regions} = this, arrow = ARROWS[key];
        if (key === "Insert" || (key === "Enter" && !shape)) this.addFresh();
        else if (!shape) return false;
        else if (arrow) regions.change(shiftKey ? resized(shape, ...arrow, ...this.#view) : moved(shape, ...arrow));
        else if (key === "Delete" || key === "Backspace") regions.remove();
        else if (key === "d" || key === "D") this.duplicate();
        else if (key === "c" || key === "C") regions.centre();
        else if (key === "PageUp" || key === "PageDown") regions.order(key === "PageUp");
        else if (key === "Escape") this.#choose(undefined);
        else if (/^[1-9]$/.test(key) && regions.expert(Number(key))) regions.give(Number(key));
        else return false;
        return true;
    }

    /** A shape of the tool's kind in the middle, for those who use keys. */
    addFresh() {
        const {regions, tool, radius} = this;
        regions.add({kind: tool, numbers: FRESH[tool] ?? [radius, 0.5, 0.5]});
        regions.commit();
        this.#choose(regions.chosen);
    }

    duplicate() {
        const {shape} = this.regions;
        this.regions.add(moved(shape, ASIDE, ASIDE));
        this.regions.commit();
    }
}
