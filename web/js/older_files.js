/**
 * Files, blueprints and copies of earlier releases name two things otherwise. The pad was a widget of its own beside
 * the text that it writes: in an app, and on the face of a subgraph. There it is that text now. And the example
 * pictures lay in a folder of the input folder, where they still lie, but newer pages say that they are missing there.
 */
import { app } from "../../../scripts/app.js";

const FORMER = "reliability_pad", PRESENT = "reliabilities";
const EXAMPLE = /^mcdm\/(?=(face_drawing|face_hair|face_skin|left_half)\.png$)/;

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

function renamePicture(values) {
    if (typeof values?.[0] === "string") values[0] = values[0].replace(EXAMPLE, "mcdm_");
}

app.registerExtension({
    name: "mcdm.older_files",
    beforeConfigureGraph(file) {
        rename(file.extra?.linearData, "inputs");
    },
    nodeCreated(node) {
        const loads = node.comfyClass?.startsWith("LoadImage"), {configure} = node;
        if (!node.subgraph && !loads) return;
        node.configure = function (info, ...rest) {                     // of files, blueprints and what is pasted
            if (loads) renamePicture(info?.widgets_values);
            else rename(info?.properties, "proxyWidgets");
            return configure.call(this, info, ...rest);
        };
    },
});
