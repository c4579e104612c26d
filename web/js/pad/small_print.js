/** The line under the control: the other form of the same numbers, and the button that turns to it. */
import { make } from "../dom.js";
import { say } from "../words.js";
import { RELIABILITIES, SHARES } from "./numbers.js";
import { TERMS, listed } from "./terms.js";

const SLACK = 0.0005;

/** What is wrong with the shares that come out, in words. */
function trouble({experts, masked, meaning, numbers, shares}) {
    if (masked) return [];
    const names = isOne => experts.filter((_, i) => isOne(shares[i], i)).map(expert => expert.label).join(", ");
    if (meaning === SHARES) {
        const missed = names((share, i) => Math.abs(share - numbers[i]) > SLACK);
        return missed && [say`These weights do not reach that: the shares become ${listed(shares)}.`];
    }
    const burns = names(share => share > 1 + SLACK), vanishes = names(share => share < -SLACK);
    return [burns && say`Burns: ${burns}.`, vanishes && say`Vanishes: ${vanishes}.`].filter(Boolean);
}

/** {element, show} */
export function smallPrint(mix) {
    const text = make("span"), turn = make("button", {type: "button"});
    turn.addEventListener("click", () => {
        mix.turn();
        mix.commit();
    });
    return {
        element: make("div", {class: "mcdm-pad-foot"}, text, turn),
        show() {
            const terms = TERMS[mix.meaning];
            const wrong = (mix.shares && trouble(mix)) || [];
            const why = mix.masked && say`Regions or automatic masks: what counts differs from place to place`;
            text.textContent = mix.masked ? say`Differs from place to place`
                : terms.print(mix) ?? say`The weights come in through wires`;
            text.title = [why || text.textContent, ...wrong, mix.limits && terms.hatched()].filter(Boolean).join("\n");
            text.classList.toggle("mcdm-pad-beyond", wrong.length > 0);
            turn.textContent = terms.turn();
            turn.title = mix.meaning === RELIABILITIES
                ? say`Says the same in shares of the look; the picture stays`
                : say`Says the same in the paper's reliabilities; the picture stays`;
            turn.disabled = !mix.turnable;
        },
    };
}
