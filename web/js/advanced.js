/** Where an advanced field of a file holds something else than its default, the node shows them. */
import { app } from "../../../scripts/app.js";
import { isOurs } from "./host.js";

/** The advanced fields of a node, {name: default}. */
function advanced({constructor: {nodeData}}) {
    const {required, optional} = nodeData?.input ?? {};
    const fields = Object.entries({...required, ...optional}).filter(([, [, options]]) => options?.advanced);
    return Object.fromEntries(fields.map(([name, [, options]]) => [name, options.default]));
}

app.registerExtension({
    name: "mcdm.advanced",
    loadedGraphNode(node) {
        if (!isOurs(node)) return;
        const defaults = advanced(node);
        const counts = ({name, value}) => name in defaults && value !== defaults[name];
        if (node.widgets?.some(counts)) node.showAdvanced = true;
    },
});
