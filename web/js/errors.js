/** The sentence of a failed node of the pack: on the node until the next run, as a toast where nothing else says it. */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addStylesheet, make } from "./dom.js";
import { nodeOf } from "./host.js";

/** The pack's python_module, from /extensions/PACK/js/errors.js. */
const PACK = `custom_nodes.${decodeURIComponent(new URL(import.meta.url).pathname.split("/").at(-3))}`;
const DIALOG_OPENS = 500, TOAST_STAYS = 20000;                          // milliseconds
const FRAME = 12, LINE = 15, CHARACTER = 6.5, MAX_LINES = 12;           // pixels, as errors.css has them

const notes = new Map();                                                // node -> the widget that is its note

function addNote(node, message) {
    const element = make("div", {class: "mcdm-error", role: "alert"}, message);
    const widget = node.addDOMWidget("mcdm_error", "mcdm_error", element, {
        serialize: false,
        hideOnZoom: false,
        getMinHeight() {
            const lines = Math.ceil(element.textContent.length * CHARACTER / Math.max(60, node.size[0] - 50));
            return FRAME + LINE * Math.min(MAX_LINES, lines) + 2 * widget.margin;
        },
    });
    widget.serialize = false;
    notes.set(node, widget);
    const [width, height] = node.size;
    node.setSize([width, Math.max(height, node.computeSize()[1])]);
    node.setDirtyCanvas(true, true);
}

/** Takes a node's note away, and gives back the height that it took. */
function removeNote(node) {
    const widget = notes.get(node);
    if (!widget) return;
    notes.delete(node);
    const [width, height] = node.size;
    node.removeWidget(widget);
    node.setSize([width, Math.max(node.computeSize()[1], height - (widget.computedHeight ?? 0))]);
    node.setDirtyCanvas(true, true);
}

function dialogSays(message) {
    const dialogs = [...document.querySelectorAll(".p-dialog, [role=dialog]")];
    return dialogs.some(dialog => dialog.textContent.includes(message));
}

function show({node_id: id, exception_message: said}) {
    const node = nodeOf(id), message = said?.trim();
    if (!message || node?.constructor.nodeData?.python_module !== PACK) return;
    const note = notes.get(node);
    if (note) note.element.textContent = message;
    else addNote(node, message);
    setTimeout(() => {
        if (dialogSays(message)) return;
        const toast = {severity: "error", summary: node.title, detail: message, life: TOAST_STAYS};
        app.extensionManager.toast?.add(toast);
    }, DIALOG_OPENS);
}

app.registerExtension({
    name: "mcdm.errors",
    setup() {
        addStylesheet("errors.css");
        api.addEventListener("execution_error", ({detail}) => show(detail));
        api.addEventListener("execution_start", () => [...notes.keys()].forEach(removeNote));
    },
});
