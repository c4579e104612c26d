/** How an editor on a node makes room there, on the classic canvas; the newer one sees to that itself. */
import { vueNodes } from "./host.js";

export class Room {
    #fitted;                                                            // the node's height that was set here

    constructor(node) {
        this.node = node;
    }

    /** Makes room, and gives back what was taken, unless the user has changed the size since. */
    fit() {
        const {node} = this, [width, now] = node.size;
        if (!vueNodes() && !node.flags?.collapsed) {
            const height = node.computeSize()[1];
            if (height > now || (height < now && now === this.#fitted)) {
                this.#fitted = height;
                node.setSize([width, height]);
            }
        }
        node.setDirtyCanvas?.(true, true);
    }

    /** The node has been given what a file or a copy holds: its size, too, whatever fitted while that was read. */
    configured(size) {
        this.#fitted = undefined;
        if (size && !vueNodes()) this.node.setSize([size[0], size[1]]);
        this.fit();
    }
}
