/**
 * Files, blueprints and copies of earlier releases name the pad, which was a widget of its own beside the text that it
 * writes: in an app, and on the face of a subgraph. There it is that text now.
 */
import { app } from "../../../scripts/app.js";

const FORMER = "reliability_pad", PRESENT = "reliabilities";

/** Entries [node id, widget's name, ...], each widget once. */
function renamed(entries) {
    const seen = new Set();
    const present = entries.map(([id, name, ...rest]) => [id, name === FORMER ? PRESENT : name, ...rest]);
    return present.filter(([id, name]) => seen.size < seen.add(`${id} ${name}`).size);
}

function rename(holder, name) {
    const entries = holder?.[name];
    if (Array.isArray(entries) && entries.some(entry => entry?.[1] === FORMER)) holder[name] = renamed(entries);
}

app.registerExtension({
    name: "mcdm.older_files",
    beforeConfigureGraph(file) {
        rename(file.extra?.linearData, "inputs");
    },
    nodeCreated(node) {
        const {configure} = node;
        if (!node.subgraph) return;
        node.configure = function (info, ...rest) {                     // of files, blueprints and what is pasted
            rename(info?.properties, "proxyWidgets");
            return configure.call(this, info, ...rest);
        };
    },
});
