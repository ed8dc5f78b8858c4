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

// What is ticked in an import list, on all of its pages, as long as this tab is open.
function chosenKey(list) {
  return "chosen:" + list;
}

function chosenIn(list) {
  return new Set(JSON.parse(sessionStorage.getItem(chosenKey(list)) || "[]"));
}

function keepChosen(list, ids) {
  if (ids.size) sessionStorage.setItem(chosenKey(list), JSON.stringify(Array.from(ids)));
  else sessionStorage.removeItem(chosenKey(list));
}

function boxesOf(form, which) {
  return Array.from(form.querySelectorAll("input[type=checkbox][name=external_ids]" + which));
}

function tickChosen(form) {
  const ids = chosenIn(form.dataset.importForm);
  boxesOf(form, ":disabled").forEach((box) => ids.delete(box.value));
  keepChosen(form.dataset.importForm, ids);
  boxesOf(form, ":not(:disabled)").forEach((box) => (box.checked = ids.has(box.value)));
  countChosen(form);
}

function noteChosen(form) {
  const ids = chosenIn(form.dataset.importForm);
  boxesOf(form, ":not(:disabled)").forEach((box) =>
    box.checked ? ids.add(box.value) : ids.delete(box.value),
  );
  keepChosen(form.dataset.importForm, ids);
  countChosen(form);
}

function countChosen(form) {
  const boxes = boxesOf(form, ":not(:disabled)");
  const here = boxes.filter((box) => box.checked).length;
  const chosen = chosenIn(form.dataset.importForm).size;
  const free = Number(form.dataset.free);
  const all = form.querySelector("[data-choose-all]");
  const note = form.querySelector("[data-chosen]");
  const clear = form.querySelector("[data-clear-chosen]");
  if (all) {
    all.checked = boxes.length > 0 && here === boxes.length;
    all.indeterminate = here > 0 && here < boxes.length;
  }
  if (note) {
    const elsewhere = chosen > here ? ", " + (chosen - here) + " on other pages" : "";
    note.textContent =
      chosen > free
        ? chosen + " chosen" + elsewhere + ", but your licence has room for " + free + "."
        : chosen + " chosen" + elsewhere + ", room for " + free + ".";
    note.classList.toggle("bad-ink", chosen > free);
  }
  if (clear) clear.hidden = chosen === 0;
}

function sendChosen(form) {
  const ids = chosenIn(form.dataset.importForm);
  const here = new Set(boxesOf(form, "").map((box) => box.value));
  form.querySelectorAll("[data-elsewhere]").forEach((input) => input.remove());
  ids.forEach(function (id) {
    if (here.has(id)) return;
    const input = document.createElement("input");
    input.type = "hidden";
    input.name = "external_ids";
    input.value = id;
    input.dataset.elsewhere = "";
    form.append(input);
  });
}

// They are forgotten when they have arrived: not when the session had ended, or a page asks first.
function forgetImported(page) {
  const ids = chosenIn(page.dataset.imported);
  const arrived = page.dataset.ids.split(" ").some((id) => ids.has(id));
  if (arrived) keepChosen(page.dataset.imported, new Set());
}

// The menu closes as menus do: by a click beside it, or Escape, which leaves one at its button.
document.addEventListener("click", function (event) {
  document.querySelectorAll("[data-menu][open]").forEach(function (menu) {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
document.addEventListener("keydown", function (event) {
  const menu = event.key === "Escape" ? document.querySelector("[data-menu][open]") : null;
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

document.addEventListener("click", function (event) {
  if (event.target.closest("[data-print]")) window.print();
  const copy = event.target.closest("[data-copy]");
  if (copy) copyText(copy);
  const clear = event.target.closest("[data-clear-chosen]");
  if (clear) {
    const all = clear.form.querySelector("[data-choose-all]");
    if (all) all.focus();
    keepChosen(clear.form.dataset.importForm, new Set());
    tickChosen(clear.form);
  }
  const theme = event.target.closest("[data-theme-choice]");
  if (theme) {
    const choice = theme.dataset.themeChoice;
    if (choice === "auto") localStorage.removeItem("theme");
    else localStorage.setItem("theme", choice);
    const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.bsTheme = choice === "auto" ? (dark ? "dark" : "light") : choice;
  }
});

// Who moves through a filter with the arrow keys has not chosen yet: the button beside it sends.
let inKeys = null;
document.addEventListener("keydown", function (event) {
  inKeys = event.target.closest("[data-submit-on-change]");
});
document.addEventListener("pointerdown", function () {
  inKeys = null;
});

document.addEventListener("change", function (event) {
  const form = event.target.closest("[data-import-form]");
  if (form) {
    if (event.target.matches("[data-choose-all]")) {
      boxesOf(form, ":not(:disabled)").forEach((box) => (box.checked = event.target.checked));
    }
    noteChosen(form);
  }
  const isFilter = event.target.matches("[data-submit-on-change]");
  if (isFilter && event.target !== inKeys) event.target.form.requestSubmit();
});

// A box of one form that counts for another too: staying signed in, by password or by passkey.
document.addEventListener("change", function (event) {
  const other = document.getElementById(event.target.dataset.copiedTo || "");
  if (other) other.checked = event.target.checked;
});

// A passkey that could not be made or used: the sign-in library says so to scripts alone.
document.addEventListener("allauth.error", function (event) {
  event.preventDefault();
  document.querySelectorAll("[data-passkey-trouble]").forEach((note) => (note.hidden = false));
});

document.addEventListener("submit", function (event) {
  if (event.target.matches("[data-import-form]")) sendChosen(event.target);
});

// A form that keeps what was typed: a refusal brings its errors alone, and the fields stay as they
// are. Any other answer (signed out, not allowed) is fetched once more as a page of its own.
function keptForm(event) {
  const form = event.detail.elt;
  return form && form.matches && form.matches("[data-keeps-typed]") ? form : null;
}

function markWrong(form) {
  form.querySelectorAll("[data-errors-of]").forEach(function (errors) {
    const field = document.getElementById(errors.dataset.errorsOf);
    if (errors.firstElementChild) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  });
  const wrong = form.querySelector("[aria-invalid=true]");
  if (wrong) wrong.focus();
}

document.addEventListener("htmx:beforeSwap", function (event) {
  if (keptForm(event) && event.detail.xhr.status === 422) event.detail.shouldSwap = true;
});
// A row that has been put aside can't be chosen any more.
document.addEventListener("htmx:afterSwap", function () {
  document.querySelectorAll("[data-import-form]").forEach(tickChosen);
});
document.addEventListener("htmx:afterRequest", function (event) {
  const form = keptForm(event);
  const answer = event.detail.xhr;
  if (!form || !answer || !answer.status || answer.getResponseHeader("HX-Redirect")) return;
  if (answer.status === 422) markWrong(form);
  else form.submit();
});
document.addEventListener("htmx:sendError", function (event) {
  const form = keptForm(event);
  if (!form) return;
  const note = document.createElement("div");
  note.className = "alert alert-danger";
  note.setAttribute("role", "alert");
  note.textContent = "Nothing was sent: there is no connection. What you typed is still here; try again.";
  form.querySelector("[data-general-errors]").replaceChildren(note);
});

// Also when the page comes back from the browser's own memory.
window.addEventListener("pageshow", function () {
  document.querySelectorAll("[data-import-form]").forEach(tickChosen);
});

// After a form was refused, one goes on at what has to be mended.
document.addEventListener("DOMContentLoaded", function () {
  document.querySelectorAll("[data-imported]").forEach(forgetImported);
  const wrong = document.querySelector("main :is(input, select, textarea)[aria-invalid=true]");
  if (wrong) wrong.focus();
});
