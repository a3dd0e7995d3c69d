// Draws the formulas of a page: blocks of code in the language `math`, and code between dollar signs, $`x_t`$.
// Both pass through Markdown as they are, and GitHub draws them, too.
(() => {
    "use strict";
    const draw = (text, place, displayMode) => katex.render(text, place, { displayMode, throwOnError: false });

    document.querySelectorAll("code.language-math").forEach((code) => {
        const place = document.createElement("div");
        place.className = "formula";
        draw(code.textContent, place, true);
        code.closest("pre").replaceWith(place);
    });

    document.querySelectorAll("code:not(pre code)").forEach((code) => {
        const [before, after] = [code.previousSibling, code.nextSibling];
        const between = before?.nodeType === Node.TEXT_NODE && before.data.endsWith("$")
            && after?.nodeType === Node.TEXT_NODE && after.data.startsWith("$");
        if (!between) return;
        before.data = before.data.slice(0, -1);
        after.data = after.data.slice(1);
        const place = document.createElement("span");
        draw(code.textContent, place, false);
        code.replaceWith(place);
    });
})();
