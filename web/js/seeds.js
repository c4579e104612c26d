/** Nodes that are compared with a picture, or with each other, keep their seed between runs, unless told otherwise. */
import { app } from "../../../scripts/app.js";
import { SHEET_NODES } from "./sheet_nodes.js";

app.registerExtension({
    name: "mcdm.seeds",
    /** Comes before a file or a copy sets its own values. */
    nodeCreated(node) {
        if (!SHEET_NODES.includes(node.comfyClass)) return;
        const control = node.widgets?.find(widget => widget.name === "control_after_generate");
        if (control) control.value = "fixed";
    },
});
