/**
 * Choosing in Breed a Mixture: a button for each candidate of the sheet, in the order in which they are pressed. They
 * write the text `picks`; after a run the text `state` is what the run says, and nothing is picked. A Tune a Mixture
 * that was stopped says its state likewise.
 */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addStylesheet, make } from "./dom.js";
import { chain, keepIn, markUndoStep, mount, nodeOf, onValue, toast } from "./host.js";
import { cellOf, uses } from "./sheet/cells.js";
import { useCell } from "./sheet/write_inputs.js";
import { say } from "./words.js";

const NODE = "BreedMixture", WIDGET = "pick_buttons", TYPE = "mcdm_picks", NONE = "none";
const ROW = 30, HEAD = 22, COLUMNS = 8;                                 // pixels, and buttons beside each other

const valueOf = (node, name) => node.widgets.find(widget => widget.name === name);

/** How many candidates there are: as the state says, or before it the widget. */
function count(node) {
    try {
        return JSON.parse(valueOf(node, "state").value).count;
    } catch {
        return Number(valueOf(node, "candidates").value);
    }
}

/** What is picked, in order: ["3", "1"]. */
function picked(node) {
    return String(valueOf(node, "picks").value).split(/[\s,]+/).filter(Boolean);
}

function write(node, picks, state) {
    const text = valueOf(node, "picks");
    if (text) text.value = picks.join(" ");
    if (state !== undefined) valueOf(node, "state").value = state;
    markUndoStep();
    node.setDirtyCanvas(true, true);
}

/** Picks a candidate as the next best, or takes it out again; "none" stands alone. */
export function pick(node, name) {
    const before = picked(node).filter(each => each !== NONE || name === NONE);
    if (before.includes(name)) write(node, before.filter(each => each !== name));
    else write(node, name === NONE ? [NONE] : [...before, name]);
}

/** Writes the numbers of the first pick, or of the best so far, into the graph: breeding ends. */
function use(node) {
    const cell = cellOf(node, Number(picked(node)[0] ?? 1));
    const troubles = cell ? useCell(cell) : [say`There is no candidate yet: run the node first.`];
    if (troubles.length) toast(say`Use these`, troubles.join(" "));
}

/** On the sheet a click picks, and the picked ones show their rank; Shift and click opens one large, as Enter does. */
uses.push({
    fits: node => node.comfyClass === NODE,
    badge: (node, number) => picked(node).indexOf(String(number)) + 1 || "",
    click: (node, number) => pick(node, String(number)),
    buttons: (node, number) => [{label: say`Pick`, act: () => pick(node, String(number))}],
    ends: () => ({picks: "", state: ""}),
});

const shown = new Set();                                                // of the nodes in a graph

class Picks {
    constructor(node) {
        this.node = node;
        this.row = make("div", {class: "mcdm-picks-row"});
        const head = make("div", {class: "mcdm-picks-head"}, say`Pick the good pictures, the best first:`);
        this.element = make("div", {class: "mcdm-picks", role: "group"}, head, this.row);
        const widget = node.addDOMWidget(WIDGET, TYPE, this.element, {
            serialize: false,
            hideOnZoom: false,
            getMinHeight: () => this.height,
            getMaxHeight: () => this.height,
        });
        Object.assign(widget, {serialize: false});
        for (const name of ["picks", "candidates"]) onValue(valueOf(node, name), () => this.show());
        chain(node, "onConfigure", () => this.show());
        keepIn(shown, node, this);
        this.show();
    }

    get height() {
        return HEAD + ROW * Math.ceil((count(this.node) + 4) / COLUMNS) + 8;
    }

    /** After undo, see host.js. */
    mount() {
        mount(this.node, this.element, ".mcdm-picks");
    }

    show() {
        const told = JSON.stringify([count(this.node), picked(this.node)]);
        if (told === this.told) return;
        this.told = told;
        const picks = picked(this.node), candidates = Array.from({length: count(this.node)}, (_, i) => `${i + 1}`);
        const button = (name, label, title) => {
            const rank = picks.indexOf(name) + 1;
            const text = rank && name !== NONE ? make("sup", {}, `${rank}.`) : "";
            const attributes = {type: "button", title, "aria-pressed": rank > 0, "data-pick": name};
            const element = make("button", attributes, label, text);
            element.addEventListener("click", () => pick(this.node, name));
            return element;
        };
        const title = say`Forgets what was picked and begins anew`;
        const anew = make("button", {type: "button", class: "mcdm-picks-anew", title}, "\u21ba");
        anew.addEventListener("click", () => write(this.node, [], ""));
        const end = make("button", {type: "button", class: "mcdm-picks-use",
            title: say`Writes the numbers of the first pick, or of the best so far, into the graph`}, say`Use these`);
        end.addEventListener("click", () => use(this.node));
        this.row.replaceChildren(
            ...candidates.map(name => button(name, name, say`Candidate ${name}`)),
            button(NONE, "\u2205", say`None of them is good`), anew, end);
    }
}

app.registerExtension({
    name: "mcdm.breeding",
    init() {
        addStylesheet("breeding.css");
    },
    nodeCreated(node) {
        if (node.comfyClass === NODE && node.addDOMWidget) new Picks(node);
    },
    afterConfigureGraph() {
        for (const picks of shown) {
            picks.show();
            picks.mount();
        }
    },
    setup() {
        // A typed state, an undone step: the page lets nobody listen to the value of a text of several lines.
        api.addEventListener("graphChanged", () => shown.forEach(picks => picks.show()));
        api.addEventListener("executed", ({detail}) => {
            const node = nodeOf(detail.display_node ?? detail.node), state = detail.output?.breed?.[0];
            const text = state !== undefined && node?.widgets?.find(widget => widget.name === "state");
            if (text && text.value !== state) write(node, [], state);
        });
    },
});
