/** The reliability pad on ReliabilityMixer: it edits the node's ordinary `reliabilities` text, and is itself neither saved nor queued. */
import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { experts } from "./experts.js";
import { say } from "./words.js";

const STEP = 0.01, BIG = 0.1, MARGIN = 8;
const SVG = "http://www.w3.org/2000/svg";
const pads = new Set();
const percent = share => `${Math.round(share * 1000) / 10} %`;
const sum = numbers => numbers.reduce((a, b) => a + b, 0);

/** Numbers normalised to sum 1, or {error}: the rules and the sentences of mcdm/parsing.py and mcdm/mixture.py. */
export function parse(text, count) {
    if (!text.trim()) return {shares: Array(count).fill(1 / count)};
    const example = Array(count).fill("1").join(", "), numbers = [];
    for (const field of text.split(",")) {
        const words = field.split(/\s+/).filter(Boolean);
        if (!words.length) return {error: say`Reliabilities '${text}': an empty place between or beside commas; give ${count} numbers such as '${example}'.`};
        for (const word of words) {
            const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word) ? Number(word) : NaN;
            if (!Number.isFinite(number) || number < 0)
                return {error: say`Reliabilities '${text}': '${word}' is not a non-negative number; give ${count} numbers such as '${example}'.`};
            numbers.push(number);
        }
    }
    if (numbers.length !== count)
        return {error: say`Reliabilities '${text}': ${numbers.length} numbers for ${count} experts; give one for each wired expert, in slot order, \
such as '${example}' (with a decimal point, not a decimal comma).`};
    const total = sum(numbers);
    if (!(total > 0 && total < Infinity)) return {error: say`Reliabilities must not all be zero: somebody's null prediction has to count.`};
    return {shares: numbers.map(a => a / total)};
}

/** Shares as the text that is saved: three places, and their sum is 1 exactly. */
export function format(shares) {
    const units = shares.map(a => Math.floor(a * 1000 + 1e-6));
    const rest = shares.map((a, i) => [Math.round((a * 1000 - units[i]) * 1e6), i]).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
    for (let k = 0, left = 1000 - sum(units); k < left; k++) units[rest[k][1]]++;
    return units.map(unit => unit / 1000).join(", ");
}

/** One share changed, the others in proportion, as the sum stays 1; where the others are all zero, alike. */
export function withShare(shares, i, value) {
    const share = Math.min(1, Math.max(0, value)), others = sum(shares) - shares[i];
    return shares.map((a, j) => j === i ? share : (1 - share) * (others > 1e-9 ? a / others : 1 / (shares.length - 1)));
}

function mix(list, shares) {
    const channel = k => Math.round(sum(list.map((e, i) => shares[i] * parseInt(e.color.slice(1 + 2 * k, 3 + 2 * k), 16))));
    return `rgb(${channel(0)} ${channel(1)} ${channel(2)})`;
}

function make(tag, attributes = {}, ...children) {
    const element = tag.startsWith("svg:") ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
}

const pen = document.createElement("canvas").getContext("2d");
function lines(text, width) {
    pen.font = "11px Inter, Arial, sans-serif";
    return Math.ceil(pen.measureText(text).width * 1.1 / Math.max(60, width));
}

class Pad {
    constructor(node, text) {
        Object.assign(this, {node, text, shares: [], notes: [], seen: ""});
        this.title = make("span");
        this.even = make("button", {type: "button", title: say`Empties the text: all experts count alike`}, say`All alike`);
        this.head = make("div", {class: "mcdm-pad-head"}, this.title, this.even);
        this.body = make("div", {class: "mcdm-pad-body"});
        this.note = make("div", {class: "mcdm-pad-note", role: "status"});
        this.element = make("div", {class: "mcdm-pad widget-expands", role: "group", "aria-label": say`Reliabilities`}, this.head, this.body, this.note);
        this.even.addEventListener("click", () => { this.write(""); this.commit(); });
        this.shareTheCanvas();
    }

    /** The pad keeps its own clicks and drags to itself; wheel, middle button and Space go on to move the canvas. */
    shareTheCanvas() {
        let held;
        this.element.addEventListener("pointerdown", event => {
            if (event.button !== 0 || app.canvas.read_only) return;
            event.stopPropagation();                                    // else the newer canvas would drag the node
            held = event.pointerId;
            for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => { held = undefined; }, {capture: true, once: true});
        });
        this.element.addEventListener("pointermove", event => event.pointerId === held && event.stopPropagation());
        for (const [type, pass] of [["pointerdown", "processMouseDown"], ["pointermove", "processMouseMove"], ["pointerup", "processMouseUp"]])
            this.element.addEventListener(type, event => {
                if ((event.button === 1 || event.buttons & 4) && !globalThis.LiteGraph?.vueNodesMode) app.canvas[pass](event);
            });
        this.element.addEventListener("wheel", event => {
            if (globalThis.LiteGraph?.vueNodesMode) return;             // there the node itself hands it on
            event.preventDefault();
            app.canvas.processMouseWheel(event);
        }, {passive: false});
        for (const type of ["pointerenter", "focusin"]) this.element.addEventListener(type, () => this.refresh());
    }

    get linked() {
        return this.node.inputs?.some(input => input.widget?.name === this.text.name && input.link != null);
    }

    /** Follows text, wires and names; does nothing where none of them has changed. */
    refresh() {
        const list = experts(this.node), text = String(this.text.value ?? ""), linked = this.linked;
        const first = this.node.inputs?.some(input => input.name === "expert_1") && list[0]?.slot !== 1;
        const who = JSON.stringify([list, linked]), seen = who + text;
        if (seen === this.seen) return;
        this.seen = seen;
        const {shares, error} = list.length ? parse(text, list.length) : {};
        this.shares = text === this.written ? this.exact : shares ?? Array(list.length).fill(1 / list.length);
        const off = !shares || linked || list.length < 2;
        const notes = [];
        if (!list.length) notes.push(say`Connect experts: the pad then sets how much each one's null prediction counts.`);
        else if (linked) notes.push(say`The reliabilities come in by a wire; the pad cannot know or set them.`);
        else if (error) notes.push(error);
        else if (list.length === 1) notes.push(say`One expert, '${list[0].name}': its null prediction counts alone. Connect another to share.`);
        if (list.length && first) notes.push(say`Nothing arrives at expert_1; connect it: the first expert leads.`);
        for (const key of new Set(list.map(e => e.key))) {
            const same = list.filter(e => e.key === key), slots = same.map(e => say`expert_${e.slot}`).reduce((a, b) => say`${a} and ${b}`);
            if (same.length > 1) notes.push(say`'${same[0].name}' is wired to ${slots}: its weights and reliabilities add.`);
        }
        if (who !== this.who) {
            this.who = who;
            this.list = list.map(e => list.some(o => o !== e && o.name === e.name) ? {...e, name: `${e.name} (${e.slot})`} : e);
            this.build();
        }
        this.notes = notes;
        this.body.hidden = list.length < 2 || linked;
        this.body.inert = off;
        this.head.hidden = !list.length || linked || (list.length === 1 && !error);
        this.title.textContent = error ? say`The text does not fit` : say`Whose null prediction counts`;
        this.even.disabled = !text.trim();
        this.note.hidden = !notes.length;
        this.note.replaceChildren(...notes.map(note => make("div", note === error ? {class: "mcdm-pad-wrong"} : {}, note)));
        this.show();
        this.fit();
    }

    /** Height in pixels of what there is to show, on the classic canvas, which asks before it draws. */
    height() {
        const n = this.list?.length ?? 0;
        const body = this.body.hidden ? 0 : n === 2 ? 48 : n === 3 ? 182 : 13 + 26 * n - 2;
        const width = this.node.size[0] - 2 * MARGIN - 30;
        const parts = [this.head.hidden ? 0 : 18, body, this.notes.length && 15 * Math.min(5, sum(this.notes.map(note => lines(note, width)))) + 2];
        return 2 * MARGIN + 17 + sum(parts) + 4 * Math.max(0, parts.filter(Boolean).length - 1);
    }

    /** Makes room on the classic canvas, and gives back what it took, unless the user has changed the size since. */
    fit() {
        const [width, now] = this.node.size;
        if (!globalThis.LiteGraph?.vueNodesMode && !this.node.flags?.collapsed) {
            const height = this.node.computeSize()[1];
            if (height > now || now === this.fitted) this.node.setSize([width, this.fitted = height]);
        }
        this.node.setDirtyCanvas?.(true, true);
    }

    /** What the user sets: into the text, at once. */
    write(text, exact) {
        if (text === String(this.text.value ?? "")) return;
        [this.written, this.exact, this.changed] = exact ? [text, exact, true] : [undefined, undefined, true];
        this.text.value = text;
        this.text.callback?.(text);
        this.refresh();
    }

    set(shares) {
        this.write(format(shares), shares);
    }

    /** One step of the host's undo: the end of a drag, of a held key, of a typed number. */
    commit() {
        if (!this.changed) return;
        this.changed = false;
        app.extensionManager?.workflow?.activeWorkflow?.changeTracker?.checkState();
    }

    build() {
        const n = this.list.length;
        this.fields = this.list.map((_, i) => this.field(i));
        this.updates = [];
        this.body.replaceChildren(...(n < 2 ? [] : n === 2 ? this.fader() : n === 3 ? this.triangle() : this.sliders()));
    }

    show() {
        if (this.body.hidden) return;
        for (const update of this.updates) update();
        for (const [i, field] of this.fields.entries())
            if (field !== document.activeElement || !field.typed) field.value = Math.round(this.shares[i] * 1000) / 1000;
    }

    legend(i, ...more) {
        const {name, color} = this.list[i];
        return make("label", {class: "mcdm-pad-who", style: `--mcdm-color: ${color}`, title: name}, make("i"), make("span", {}, name), ...more);
    }

    field(i) {
        const field = make("input", {type: "number", min: 0, max: 1, step: STEP, "aria-label": say`Reliability of ${this.list[i].name}`});
        const end = () => { field.typed = undefined; this.commit(); this.show(); };
        field.addEventListener("input", () => {
            field.typed ??= this.shares;                                // what was before the first key, so that 0.5 does not pass through 0
            if (field.value !== "") this.set(withShare(field.typed, i, Number(field.value)));
        });
        field.addEventListener("change", end);
        field.addEventListener("focus", () => field.select());
        field.addEventListener("keydown", event => {
            const by = {ArrowUp: 1, ArrowDown: -1}[event.key];
            if (event.key === "Escape" && field.typed) this.set(field.typed);
            if (by) this.set(withShare(this.shares, i, this.shares[i] + by * (event.shiftKey ? BIG : STEP)));
            else if (/^(Enter|Escape)$/.test(event.key)) end();
            else if ((event.ctrlKey || event.metaKey) && /^[zy]$/i.test(event.key) && !field.typed)
                app.extensionManager?.workflow?.activeWorkflow?.changeTracker?.undoRedo(event);
            else return;
            event.preventDefault();
            event.stopPropagation();
        });
        field.addEventListener("keyup", () => field.typed || this.commit());
        return field;
    }

    /** A slider: move(event) sets from the pointer, keys maps a key to new shares. */
    grip(element, move, keys) {
        element.tabIndex = 0;
        element.addEventListener("pointerdown", event => {
            if (event.button !== 0 || app.canvas.read_only) return;
            element.setPointerCapture(event.pointerId);
            element.focus({preventScroll: true});
            event.preventDefault();
            const base = this.shares, follow = e => e.pointerId === event.pointerId && move(e, base);
            const end = e => {
                if (e.pointerId !== event.pointerId) return;
                for (const [type, listener] of listeners) element.removeEventListener(type, listener);
                this.commit();
            };
            const listeners = [["pointermove", follow], ["pointerup", end], ["pointercancel", end], ["lostpointercapture", end]];
            for (const [type, listener] of listeners) element.addEventListener(type, listener);
            follow(event);
        });
        element.addEventListener("keydown", event => {
            if (event.ctrlKey || event.metaKey || event.altKey) return;
            const shares = keys(event.key, /^Page/.test(event.key) || event.shiftKey ? BIG : STEP);
            if (!shares) return;
            event.preventDefault();
            event.stopPropagation();
            this.set(shares);
        });
        for (const type of ["keyup", "blur"]) element.addEventListener(type, () => this.commit());
        return element;
    }

    /** A horizontal slider for the share of expert i. */
    slider(i, look, words) {
        const element = make("div", {class: `mcdm-pad-slider ${look}`, role: "slider", "aria-valuemin": 0, "aria-valuemax": 100, ...words}, make("b"));
        const to = value => withShare(this.shares, i, Math.round(value * 1000) / 1000);
        this.updates.push(() => {
            element.style.setProperty("--mcdm-at", this.shares[i]);
            element.setAttribute("aria-valuenow", Math.round(this.shares[i] * 100));
            element.setAttribute("aria-valuetext", this.list.length === 2 ? this.spoken() : percent(this.shares[i]));
        });
        return this.grip(element, (event, base) => {
            const box = element.getBoundingClientRect();
            this.set(withShare(base, i, Math.round((event.clientX - box.left) / box.width / STEP) * STEP));
        }, (key, step) => {
            if (/^Arrow(Right|Up)$|^PageUp$/.test(key)) return to(this.shares[i] + step);
            if (/^Arrow(Left|Down)$|^PageDown$/.test(key)) return to(this.shares[i] - step);
            if (key === "Home" || key === "End") return to(key === "End" ? 1 : 0);
        });
    }

    spoken() {
        return this.list.map((e, i) => `${e.name} ${percent(this.shares[i])}`).join(", ");
    }

    fader() {
        const [left, right] = this.list;
        const slider = this.slider(1, "mcdm-pad-fader", {"aria-label": say`Crossfader from ${left.name} to ${right.name}`,
            title: say`Drag, or arrow keys (Shift: big steps). Home: ${left.name} alone. End: ${right.name} alone.`});
        slider.style.cssText = `--mcdm-left: ${left.color}; --mcdm-right: ${right.color}`;
        this.updates.push(() => slider.style.setProperty("--mcdm-color", mix(this.list, this.shares)));
        return [make("div", {class: "mcdm-pad-ends"}, this.legend(0, this.fields[0]), this.legend(1, this.fields[1])), slider];
    }

    sliders() {
        const parts = this.list.map(e => make("i", {style: `--mcdm-color: ${e.color}`, title: e.name}));
        this.updates.push(() => parts.forEach((part, i) => { part.style.width = percent(this.shares[i]).replace(" ", ""); }));
        return [make("div", {class: "mcdm-pad-parts", "aria-hidden": "true"}, ...parts), ...this.list.map((e, i) => {
            const slider = this.slider(i, "", {"aria-label": say`Reliability of ${e.name}`, title: say`${e.name}: drag, or arrow keys (Shift: big steps)`});
            slider.style.setProperty("--mcdm-color", e.color);
            return make("div", {class: "mcdm-pad-row"}, this.legend(i), slider, this.fields[i]);
        })];
    }

    /** Corners: the first expert on top, the second on the left, the third on the right. A point's shares are its barycentric coordinates. */
    triangle() {
        const corners = [[70, 9], [10, 113], [130, 113]], at = shares => [0, 1].map(k => sum(corners.map((corner, i) => shares[i] * corner[k])));
        const points = corners.map(corner => corner.join(",")).join(" "), id = `mcdm-pad-${++Pad.count}`;
        const svg = make("svg:svg", {class: "mcdm-pad-triangle", viewBox: "0 0 140 122", role: "slider", "aria-roledescription": say`triangle`,
            "aria-label": say`Reliabilities of ${this.list.map(e => e.name).join(", ")}`, "aria-valuemin": 0, "aria-valuemax": 100});
        const [first, , last] = this.list;
        svg.append(make("svg:title", {}, say`Drag, or arrow keys (Shift: big steps). Home: ${first.name} alone. End: ${last.name} alone.`));
        for (const [i, [x1, y1]] of corners.entries()) {
            const [x2, y2] = at(corners.map((_, j) => j === i ? 0 : 0.5));
            svg.append(make("svg:linearGradient", {id: `${id}-${i}`, gradientUnits: "userSpaceOnUse", x1, y1, x2, y2},
                make("svg:stop", {offset: 0, "stop-color": this.list[i].color}),
                make("svg:stop", {offset: 1, "stop-color": this.list[i].color, "stop-opacity": 0})));
            svg.append(make("svg:polygon", {points, fill: `url(#${id}-${i})`, class: "mcdm-pad-area"}));
        }
        for (let i = 0; i < 3; i++) for (const share of [0.25, 0.5, 0.75]) {
            const [[x1, y1], [x2, y2]] = [1, 2].map(k => at([0, 1, 2].map(j => j === i ? share : j === (i + k) % 3 ? 1 - share : 0)));
            svg.append(make("svg:line", {x1, y1, x2, y2}));
        }
        const edge = make("svg:polygon", {points, class: "mcdm-pad-edge"});
        const [ring, thumb] = [["mcdm-pad-ring", 11], ["mcdm-pad-thumb", 7]].map(([name, r]) => make("svg:circle", {class: name, r}));
        svg.append(edge, ring, thumb);
        this.updates.push(() => {
            const [cx, cy] = at(this.shares);
            for (const circle of [ring, thumb]) { circle.setAttribute("cx", cx); circle.setAttribute("cy", cy); }
            thumb.style.fill = mix(this.list, this.shares);
            svg.setAttribute("aria-valuenow", Math.round(this.shares[0] * 100));
            svg.setAttribute("aria-valuetext", this.spoken());
        });
        this.grip(svg, event => {
            const box = edge.getBoundingClientRect(), top = 1 - (event.clientY - box.top) / box.height;
            const right = (event.clientX - box.left) / box.width - top / 2;
            const inside = [top, 1 - top - right, right].map(a => Math.max(0, a)), total = sum(inside);
            const [a, , c] = inside.map(share => Math.round(share / total / STEP) * STEP);
            this.set([a, Math.max(0, 1 - a - c), Math.min(c, 1 - a)]);
        }, (key, step) => {
            const [top, left, right] = this.shares, up = {ArrowUp: 1, PageUp: 1, ArrowDown: -1, PageDown: -1}[key];
            if (up) return withShare(this.shares, 0, Math.round((top + up * step) * 1000) / 1000);
            if (key === "Home" || key === "End") return key === "Home" ? [1, 0, 0] : [0, 0, 1];
            const by = key === "ArrowRight" ? Math.min(step, left) : key === "ArrowLeft" ? -Math.min(step, right) : undefined;
            return by === undefined ? undefined : [top, left - by, right + by];
        });
        return [make("div", {class: "mcdm-pad-ends"}, this.legend(0, this.fields[0])), svg,
                make("div", {class: "mcdm-pad-ends"}, this.legend(1, this.fields[1]), this.legend(2, this.fields[2]))];
    }
}
Pad.count = 0;

/** Calls back whenever a widget's value is set, by whomever: a typed text, a loaded file, a script. */
function onValue(widget, changed) {
    let owner = widget, found;
    while (owner && !(found = Object.getOwnPropertyDescriptor(owner, "value"))) owner = Object.getPrototypeOf(owner);
    let own = widget.value;
    Object.defineProperty(widget, "value", {
        configurable: true, enumerable: true,
        get: () => found?.get ? found.get.call(widget) : own,
        set: value => { found?.set ? found.set.call(widget, value) : own = value; changed(); },
    });
    const callback = widget.callback;
    widget.callback = function (...values) {
        const result = callback?.apply(this, values);
        changed();
        return result;
    };
}

function chain(node, name, after) {
    const before = node[name];
    node[name] = function (...values) {
        const result = before?.apply(this, values);
        after();
        return result;
    };
}

app.registerExtension({
    name: "UniteAndConquer.ReliabilityPad",
    init() {
        document.head.append(make("link", {rel: "stylesheet", href: new URL("./reliability_pad.css", import.meta.url).href}));
        api.addEventListener("graphChanged", () => pads.forEach(pad => pad.refresh()));     // a name, a bypass, a wire further up
    },
    nodeCreated(node) {
        const text = node.comfyClass === "ReliabilityMixer" && node.widgets?.find(widget => widget.name === "reliabilities");
        if (!text) return;
        const pad = new Pad(node, text);
        // Last among the widgets and not serialised: saved values keep their places.
        const widget = node.addDOMWidget("reliability_pad", "mcdm_reliability_pad", pad.element,
            {serialize: false, margin: MARGIN, getMinHeight: () => pad.height(), getValue: () => undefined, setValue: () => {}});
        widget.serialize = false;
        onValue(text, () => pad.refresh());
        chain(node, "onConnectionsChange", () => pad.refresh());
        chain(node, "onConfigure", () => { pad.refresh(); pad.fit(); });
        chain(node, "onAdded", () => { pads.add(pad); pad.refresh(); });
        chain(node, "onRemoved", () => pads.delete(pad));
        pad.refresh();
    },
    afterConfigureGraph() {
        for (const pad of pads) {
            pad.refresh();
            // The newer canvas keeps what it shows of a node while the number stays, as in undo: the pad of the node that is gone makes way.
            const shown = pad.node.graph === app.canvas.graph && document.querySelector(`[data-node-id="${pad.node.id}"] .mcdm-pad`);
            if (shown && shown !== pad.element) shown.replaceWith(pad.element);
        }
    },
});
