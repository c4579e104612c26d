/**
 * The sentence of a failed node of the pack, once: on its pad or canvas if that says it, else beside the node, or
 * beside the subgraph that the node is in; as a toast where neither is in view. So is that of a VAE which cannot decode
 * what the pack has sampled before. All gone when a run starts or is refused, or a file is loaded.
 */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { note, removeNotes } from "./floating.js";
import { inView, isOurs, nodeOf, onRefusal, shownAt, toast } from "./host.js";
import { translated } from "./words.js";

const DIALOG_OPENS = 500;                                               // milliseconds

const toasts = [];                                                      // functions that take them away
let current = 0;                                                        // counts runs and files
let wrongVaes = {};                                                     // of the prompt that is queued, as told then
let states = {};                                                        // of the nodes of a run, as the host tells them

function hostSays(message) {
    const said = [...document.querySelectorAll(".p-dialog, [role=dialog], [data-testid=error-overlay]")];
    return said.some(element => element.textContent.includes(message));
}

/** Whether the pad or the canvas on a node says what is wrong with its text. */
function saysItself(node) {
    const wrong = ".mcdm-pad-wrong, .mcdm-regions-wrong";
    return Boolean(node?.widgets?.some(({element}) => element?.querySelector?.(wrong)));
}

/** The node that is shown for a failed one. Nodes in a loop are copies, and the host names what has copied them. */
function shownFor(failed) {
    const running = Object.values(states).filter(({state, node_id: id, real_node_id: original}) =>
        state === "running" && [id, original].includes(failed));
    return running.at(-1)?.display_node_id ?? failed;
}

function show({node_id: failed, exception_message: said}) {
    const id = shownFor(failed), node = nodeOf(id), message = said?.trim();
    if (!message || !isOurs(node)) return;
    removeNotes(["error"]);                                             // of a VAE: the sampler says it, too
    removeNotes(["said"], id);
    showAt(id, message);
}

function showAt(id, message) {
    const now = current;
    note("error", id, message, saysItself);
    setTimeout(() => {
        if (now !== current || inView(shownAt(id)) || hostSays(message)) return;
        toasts.push(toast(nodeOf(id)?.title, message));
    }, DIALOG_OPENS);
}

/** A VAE that does not fit latents which are in the host's cache: none of the pack's nodes runs that could say it. */
function showWrongVaes() {
    for (const [id, message] of Object.entries(wrongVaes)) showAt(id, translated(message));
    wrongVaes = {};
}

/**
 * What a condition node understood is on the node itself; where that is within a subgraph, beside the subgraph.
 * A warning stands beside its node in either case.
 */
function tell({node, display_node: shown, output}) {
    const id = shown ?? node, of = nodeOf(id);
    if (!isOurs(of)) return;
    const [text] = output?.text ?? [], [warning] = output?.warning ?? [];
    if (text && shownAt(id) !== of) note("said", id, text);
    if (warning) note("warning", id, warning);
}

function clear(kinds) {
    current++;
    removeNotes(kinds);
    for (const takeAway of toasts.splice(0)) takeAway();
}

app.registerExtension({
    name: "mcdm.errors",
    setup() {
        api.addEventListener("progress_state", ({detail}) => { states = detail.nodes; });
        api.addEventListener("execution_error", ({detail}) => show(detail));
        api.addEventListener("executed", ({detail}) => tell(detail));
        // What a run finds in the cache it does not tell again: that stays until its node runs anew.
        api.addEventListener("executing", ({detail}) => removeNotes(["said", "warning"], String(detail)));
        api.addEventListener("mcdm.wrong_vae", ({detail}) => { wrongVaes = detail.nodes; });
        api.addEventListener("execution_start", () => {
            clear(["error"]);
            showWrongVaes();
        });
        onRefusal(() => clear(["error"]));
    },
    afterConfigureGraph: () => clear(["error", "said", "warning"]),
});
