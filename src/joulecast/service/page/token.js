/** Asks for a token when the service wants one; the token lives as long as the tab. */

import { keeper } from "./api.js";
import { byId } from "./dom.js";

/** Let the service's answers ask for a token through the dialog. */
export function keepTokens() {
  const dialog = byId("token-dialog");
  const input = byId("token");
  const why = byId("token-why");
  const first = why.textContent;
  keeper.ask = (refused) =>
    new Promise((resolve) => {
      why.textContent = refused
        ? "This token was not taken. Is it whole, and is it still valid?"
        : first;
      input.value = "";
      dialog.returnValue = "";
      dialog.addEventListener(
        "close",
        () => resolve(dialog.returnValue ? input.value.trim() : null),
        {
          once: true,
        },
      );
      dialog.showModal();
    });
  byId("token-no").addEventListener("click", () => dialog.close(""));
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close(input.value.trim() ? "given" : "");
  });
}
