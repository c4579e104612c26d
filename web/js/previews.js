/** Under an MCDM Sampler, while it runs: each expert's own idea of the picture, and a bar of how much it pulls. */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addStylesheet, make } from "./dom.js";
import { COLORS, experts } from "./experts.js";
import { chain, mount, nodeOf } from "./host.js";
import { wholeParts } from "./pad/numbers.js";
import { origin } from "./wires.js";
import { say } from "./words.js";

const NODE = "MCDMSampler", SWITCH = "expert_previews", WIDGET = "expert_previews_strip";
const COLUMNS = 4;                                                      // pictures beside each other
const HEAD = 19, ROW = 100;                                             // pixels, the heading as previews.css has it

/** One transparent pixel: what an expert shows that has not been asked. */
const NOTHING = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";

/** The colours of the slots on the mixer, where it is plain which mixer it is; else those of the first slots. */
function colorsFor(node, count) {
    const mixer = origin(node, node.inputs.findIndex(input => input.name === "mixture"))?.node;
    const wired = mixer ? experts(mixer) : [];
    if (wired.length === count) return wired.map(expert => expert.color);
    return Array.from({length: count}, (_, i) => COLORS[i % COLORS.length]);
}

/** {element, show} of one expert: a picture, a name and a bar. */
function figure(name, color) {
    const image = make("img", {alt: say`What ${name} alone thinks the picture is`, src: NOTHING, draggable: false});
    const percent = make("b"), bar = make("div");
    const meter = make("div", {
        role: "meter", "aria-label": say`Pull of ${name}`, "aria-valuemin": 0, "aria-valuemax": 100,
    }, bar);
    const caption = make("figcaption", {}, make("span", {}, name), percent);
    const element = make("figure", {title: name, style: `--expert: ${color}`}, image, caption, meter);
    return {
        element,
        show({pull, image: source}, whole) {
            if (source) image.src = source;
            element.classList.toggle("silent", !source);    // not asked at this noise level: its last word stays, faded
            percent.textContent = bar.style.width = `${whole}%`;
            meter.setAttribute("aria-valuenow", (100 * pull).toFixed(2));
        },
    };
}

/** The figures of one run on one node. Empty, it takes no room. */
class Strip {
    #figures = [];
    #run;

    constructor() {
        const label = say`What each expert alone thinks the picture is`;
        this.heading = make("div", {class: "mcdm-previews-head"}, say`How much each expert pulls`);
        this.element = make("div", {class: "mcdm-previews", role: "group", "aria-label": label});
    }

    /** Pixels. */
    get height() {
        const rows = Math.ceil(this.#figures.length / COLUMNS);
        return rows && HEAD + rows * ROW;
    }

    /** seen: [{name, pull, image}], one per expert. Nothing of another run stays. */
    show(run, seen, node) {
        if (run !== this.#run) {
            const columns = Math.min(COLUMNS, seen.length), colors = colorsFor(node, seen.length);
            this.#run = run;
            this.element.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
            this.#set(seen.map(({name}, i) => figure(name, colors[i])));
        }
        const percents = wholeParts(seen.map(({pull}) => pull), 100);
        for (const [i, expert] of seen.entries()) this.#figures[i].show(expert, percents[i]);
    }

    clear() {
        this.#run = undefined;
        this.#set([]);
    }

    #set(figures) {
        this.#figures = figures;
        this.element.style.minHeight = this.height ? `${this.height}px` : "";
        const heading = figures.length ? [this.heading] : [];
        this.element.replaceChildren(...heading, ...figures.map(figure => figure.element));
    }
}

const strips = new WeakMap();                                           // node -> {strip, widget}

/** The strip of a node, empty: it stays so until something is sent. */
function add(node) {
    const strip = new Strip();
    const widget = node.addDOMWidget(WIDGET, "mcdm_previews", strip.element, {
        serialize: false,
        hideOnZoom: false,
        getMinHeight: () => strip.height && strip.height + 2 * widget.margin,
        getMaxHeight: () => (strip.height ? undefined : 0),
    });
    Object.assign(widget, {serialize: false, hidden: true});
    strips.set(node, {strip, widget});
}

function show({node: id, prompt_id: run, experts: seen}) {
    const node = nodeOf(id);
    if (!strips.has(node)) return;
    const {strip, widget} = strips.get(node);
    strip.show(run, seen, node);
    widget.hidden = false;
    mount(node, strip.element, ".mcdm-previews");
    node.setDirtyCanvas(true, true);
}

/** Empties the strip, and gives back the height that it took. */
function clear(node) {
    const {strip, widget} = strips.get(node);
    if (widget.hidden) return;
    widget.hidden = true;
    strip.clear();
    const [width, height] = node.size;
    node.setSize([width, Math.max(node.computeSize()[1], height - (widget.computedHeight ?? 0))]);
    node.setDirtyCanvas(true, true);
}

app.registerExtension({
    name: "mcdm.previews",
    setup() {
        addStylesheet("previews.css");
        api.addEventListener("mcdm.previews", ({detail}) => show(detail));
    },
    afterConfigureGraph() {
        for (const node of app.canvas.graph.nodes)
            if (strips.has(node)) mount(node, strips.get(node).strip.element, ".mcdm-previews");
    },
    nodeCreated(node) {
        if (node.comfyClass !== NODE) return;
        const toggle = node.widgets?.find(widget => widget.name === SWITCH);
        if (!toggle) return;
        add(node);
        chain(toggle, "callback", value => {
            if (!value) clear(node);
        });
    },
});
