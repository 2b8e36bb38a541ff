/** Light or dark as chosen here, before anything is painted; else as the system says. */
"use strict";
(() => {
  const KEY = "joulecast-theme";
  const ORDER = ["auto", "light", "dark"];
  const root = document.documentElement;

  function chosen() {
    try {
      return localStorage.getItem(KEY) || "auto";
    } catch {
      return "auto"; // storage is switched off
    }
  }

  function apply(theme) {
    if (theme === "auto") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
    const button = document.getElementById("theme");
    if (button) button.textContent = `Theme: ${theme}`;
  }

  function next() {
    const theme = ORDER[(ORDER.indexOf(chosen()) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // it holds for this page only
    }
    apply(theme);
  }

  apply(chosen());
  document.addEventListener("DOMContentLoaded", () => {
    apply(chosen());
    document.getElementById("theme").addEventListener("click", next);
  });
})();
