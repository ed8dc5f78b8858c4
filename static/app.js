// Small conveniences. Every page works without them.
"use strict";

function copyText(button) {
  const label = button.querySelector("[data-copy-label]");
  const said = label.textContent;
  navigator.clipboard.writeText(button.dataset.copy).then(function () {
    label.textContent = "Copied";
    setTimeout(function () {
      label.textContent = said;
    }, 1500);
  });
}

function countChosen(form) {
  const boxes = Array.from(form.querySelectorAll("input[name=external_ids]:not(:disabled)"));
  const chosen = boxes.filter((box) => box.checked).length;
  const free = Number(form.dataset.free);
  const all = form.querySelector("[data-choose-all]");
  const note = form.querySelector("[data-chosen]");
  if (all) {
    all.checked = boxes.length > 0 && chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
  }
  if (note) {
    note.textContent =
      chosen > free
        ? chosen + " chosen, but your licence has room for " + free + "."
        : chosen + " chosen, room for " + free + ".";
    note.classList.toggle("text-danger", chosen > free);
  }
}

document.addEventListener("click", function (event) {
  const copy = event.target.closest("[data-copy]");
  if (copy) copyText(copy);
  const theme = event.target.closest("[data-theme-choice]");
  if (theme) {
    const choice = theme.dataset.themeChoice;
    if (choice === "auto") localStorage.removeItem("theme");
    else localStorage.setItem("theme", choice);
    const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.bsTheme = choice === "auto" ? (dark ? "dark" : "light") : choice;
  }
});

document.addEventListener("change", function (event) {
  const form = event.target.closest("[data-import-form]");
  if (form) {
    if (event.target.matches("[data-choose-all]")) {
      form
        .querySelectorAll("input[name=external_ids]:not(:disabled)")
        .forEach((box) => (box.checked = event.target.checked));
    }
    countChosen(form);
  }
  if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
});

document.addEventListener("DOMContentLoaded", function () {
  document.querySelectorAll("[data-import-form]").forEach(countChosen);
});
