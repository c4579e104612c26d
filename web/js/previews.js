/**
 * Under an MCDM Sampler, while it runs: each expert's own idea of the picture, and a bar of how much it pulls. The page
 * keeps them as it keeps the pictures of other nodes, and shows them on a subgraph's face where their eye is open.
 */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addStylesheet, make } from "./dom.js";
import { COLORS, experts } from "./experts.js";
import { chain, exposedOn, keepIn, mount, nodeOf, outputsOf, vueNodes } from "./host.js";
import { wholeParts } from "./pad/numbers.js";
import { origin, widgetValue } from "./wires.js";
import { say } from "./words.js";

const NODE = "MCDMSampler", SWITCH = "expert_previews", OUTPUT = "mcdm_previews";
const WIDGET = "expert_previews_strip", TYPE = "preview";               // a type that panels expose, not promote
const COLUMNS = 4;                                                      // pictures beside each other
const HEAD = 19, ROW = 100;                                             // pixels, the heading as previews.css has it

/** One transparent pixel: what an expert shows that has not been asked. */
const NOTHING = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/%3E";

/** The colours of the slots on the mixer, where it is plain which mixer it is; else those of the first slots. */
function colorsFor(sampler, path, count) {
    const mixer = origin(sampler, sampler.inputs.findIndex(input => input.name === "mixture"), path);
    const wired = mixer?.node ? experts(mixer.node, mixer.path) : [];
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
        show({pull, image: source, silent}, whole) {
            image.src = source ?? NOTHING;
            element.classList.toggle("silent", silent);
            percent.textContent = bar.style.width = `${whole}%`;
            meter.setAttribute("aria-valuenow", (100 * pull).toFixed(2));
        },
    };
}

/** {run, experts: [{name, pull, image, silent}]} of a sampler's last run, where that was told. */
const heldFor = sampler => outputsOf(sampler)?.[OUTPUT]?.[0];

/**
 * The figures of a sampler's last run, as a widget of the sampler itself or of a subgraph's node. Empty, it takes no
 * room. path: the subgraphs' nodes from there to the sampler.
 */
class Strip {
    #figures = [];
    #held;                                                              // what is shown
    open = true;

    constructor(home, name, sampler, path = []) {
        Object.assign(this, {home, sampler, path});
        const label = say`What each expert alone thinks the picture is`;
        this.heading = make("div", {class: "mcdm-previews-head"}, say`How much each expert pulls`);
        this.element = make("div", {
            class: "mcdm-previews", role: "group", "aria-label": label, "data-widget": name,
        });
        const widget = this.widget = home.addDOMWidget(name, TYPE, this.element, {
            serialize: false,
            hideOnZoom: false,
            getMinHeight: () => this.height && this.height + 2 * widget.margin,
            getMaxHeight: () => (this.height ? undefined : 0),
        });
        Object.assign(widget, {serialize: false, hidden: true, label});
    }

    /** Pixels. */
    get height() {
        const rows = Math.ceil(this.#figures.length / COLUMNS);
        return rows && HEAD + rows * ROW;
    }

    /** Shows what the page holds now, or gives back the height that it took. */
    follow() {
        const {home, widget, sampler, path} = this;
        const held = this.open && widgetValue(sampler, SWITCH, path) !== false ? heldFor(sampler) : undefined;
        if (held === this.#held) return;
        if (held?.run !== this.#held?.run) this.#build(held?.experts ?? []);
        this.#held = held;
        const taken = held || widget.hidden ? 0 : widget.computedHeight ?? 0;
        widget.hidden = !held;
        const percents = wholeParts((held?.experts ?? []).map(({pull}) => pull), 100);
        for (const [i, figure] of this.#figures.entries()) figure.show(held.experts[i], percents[i]);
        if (!vueNodes()) home.setSize([home.size[0], Math.max(home.computeSize()[1], home.size[1] - taken)]);
        this.mount();
        app.canvas.setDirty(true, true);
    }

    mount() {
        mount(this.home, this.element, `.mcdm-previews[data-widget="${this.widget.name}"]`);
    }

    #build(seen) {
        const columns = Math.min(COLUMNS, seen.length), colors = colorsFor(this.sampler, this.path, seen.length);
        this.#figures = seen.map(({name}, i) => figure(name, colors[i]));
        this.element.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
        this.element.style.minHeight = this.height ? `${this.height}px` : "";
        const heading = seen.length ? [this.heading] : [];
        this.element.replaceChildren(...heading, ...this.#figures.map(figure => figure.element));
    }
}

const homes = new Set();                                                // samplers and subgraphs' nodes in a graph
const stripsOf = new WeakMap();                                         // home -> {id within the home: strip}
let fitted;                                                             // the graph whose subgraphs' nodes have theirs

/** Hands what a run tells to the page, as the output of its node. An expert that was not asked keeps its last word. */
function keep({node, prompt_id: run, experts: seen}) {
    const sampler = nodeOf(node), before = sampler && heldFor(sampler);
    const words = before?.run === run ? before.experts : [];
    const told = seen.map((expert, i) => ({...expert, image: expert.image ?? words[i]?.image, silent: !expert.image}));
    const output = {[OUTPUT]: [{run, experts: told}]};
    api.dispatchEvent(new CustomEvent("executed", {detail: {node, display_node: node, prompt_id: run, output}}));
    fitAndFollow();
}

function holdsSampler(graph) {
    return graph.nodes.some(node => node.comfyClass === NODE || (node.subgraph && holdsSampler(node.subgraph)));
}

/** The samplers whose strips are open on the face of a subgraph's node: [{id, sampler, path}]. */
function exposed(host, path = []) {
    if (!holdsSampler(host.subgraph)) return [];
    return exposedOn(host).flatMap(([id, name]) => {
        const node = host.subgraph.getNodeById(id), way = [...path, host];
        if (!name.startsWith(WIDGET) || !node) return [];
        if (node.comfyClass === NODE) return [{id, sampler: node, path: way}];
        return node.subgraph ? exposed(node, way).slice(0, 1).map(found => ({...found, id})) : [];
    });
}

/** Gives a subgraph's node the strips that it should have. One that is closed stays, empty. */
function fitFace(host) {
    const open = exposed(host), own = stripsOf.get(host);
    for (const {id, sampler, path} of open)
        if (own.get(id)?.sampler !== sampler) own.set(id, new Strip(host, `${WIDGET} ${id}`, sampler, path));
    for (const [id, strip] of own) strip.open = open.some(found => found.id === id);
}

/** An eye is a change of the graph, what a file or undo brings is configured, and another graph is drawn. */
function fitAndFollow() {
    fitted = app.canvas.graph;
    for (const home of homes) if (home.subgraph && home.graph === fitted) fitFace(home);
    follow();
}

function follow() {
    if (fitted !== app.canvas.graph) return fitAndFollow();
    for (const home of homes) for (const strip of stripsOf.get(home).values()) strip.follow();
}

app.registerExtension({
    name: "mcdm.previews",
    setup() {
        addStylesheet("previews.css");
        api.addEventListener("mcdm.previews", ({detail}) => keep(detail));
        // Whatever the page brings back, by undo or with a tab, it draws.
        chain(app.canvas, "onDrawForeground", follow);
        api.addEventListener("graphChanged", fitAndFollow);
    },
    afterConfigureGraph() {
        fitAndFollow();
        for (const home of homes) for (const strip of stripsOf.get(home).values()) strip.mount();
    },
    nodeCreated(node) {
        const isSampler = node.comfyClass === NODE && node.widgets?.some(widget => widget.name === SWITCH);
        if (!isSampler && !node.subgraph) return;
        stripsOf.set(node, new Map(isSampler ? [[node, new Strip(node, WIDGET, node)]] : []));
        keepIn(homes, node);
        fitted = undefined;
    },
});
