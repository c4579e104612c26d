/** Nodes that are compared with a picture, or with each other, keep their seed between runs, unless told otherwise. */
import { app } from "../../../scripts/app.js";

const NODES = ["BreedMixture", "CompareExperts", "MixtureReport", "ReliabilitySweep", "TuneMixture"];

app.registerExtension({
    name: "mcdm.seeds",
    /** Comes before a file or a copy sets its own values. */
    nodeCreated(node) {
        if (!NODES.includes(node.comfyClass)) return;
        const control = node.widgets?.find(widget => widget.name === "control_after_generate");
        if (control) control.value = "fixed";
    },
});
