/**
 * The canvas on ExpertRegions: it edits the node's ordinary text `regions`, and is itself neither saved nor queued.
 */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addStylesheet } from "./dom.js";
import { chain, keepIn, mount } from "./host.js";
import { Editor, MARGIN } from "./regions/editor.js";
import { Regions } from "./regions/regions.js";
import { say } from "./words.js";

const NODE = "ExpertRegions", TEXT = "regions";
const editors = new Set();                                              // of the nodes that are in a graph

function refresh() {
    for (const {regions} of editors) regions.refresh();
}

/** Puts a canvas on a node, last among its widgets and not serialised: saved values keep their places. */
function add(node, text) {
    const regions = new Regions(node, text), editor = new Editor(regions);
    const widget = node.addDOMWidget("expert_regions", "mcdm_expert_regions", editor.element, {
        serialize: false,
        margin: MARGIN,
        hideOnZoom: false,
        getMinHeight: () => editor.height(),
        getValue: () => undefined,
        setValue: () => {},
    });
    Object.assign(widget, {serialize: false, label: say`Regions`});
    const own = ["regions", "rest", "feather", "overlap"].map(name => node.widgets.find(one => one.name === name));
    for (const one of own.filter(Boolean)) chain(one, "callback", () => regions.refresh());
    for (const event of ["onConnectionsChange", "onConfigure"]) chain(node, event, () => regions.refresh());
    chain(node, "onResize", () => editor.fit());
    keepIn(editors, node, editor);
    chain(node, "onAdded", () => regions.refresh());
    editor.draw();
}

app.registerExtension({
    name: "mcdm.expert_regions",
    init() {
        addStylesheet("expert_regions.css");
        api.addEventListener("graphChanged", refresh);
        api.addEventListener("executed", () => editors.forEach(editor => editor.stage.showPicture()));
    },
    setup() {
        chain(app.canvas, "onDrawForeground", refresh);
    },
    nodeCreated(node) {
        const text = node.comfyClass === NODE && node.widgets?.find(widget => widget.name === TEXT);
        if (text) add(node, text);
    },
    afterConfigureGraph() {
        for (const {regions, element} of editors) {
            regions.refresh();
            mount(regions.node, element, ".mcdm-regions");
        }
    },
});
