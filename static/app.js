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

// The box above a page of the import list stands for all below it. The server keeps what is ticked.
function boxesOf(form) {
  return Array.from(form.querySelectorAll("input[type=checkbox][name=ticked]:not(:disabled)"));
}

function countTicks() {
  document.querySelectorAll("[data-import-form]").forEach(function (form) {
    const all = form.querySelector("[data-choose-all]");
    const boxes = boxesOf(form);
    const ticked = boxes.filter((box) => box.checked).length;
    if (!all) return;
    all.checked = boxes.length > 0 && ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
    all.disabled = boxes.length === 0;
  });
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

// Ahead of htmx, which sends the form as it then is.
document.addEventListener(
  "change",
  function (event) {
    const form = event.target.closest("[data-import-form]");
    if (form && event.target.matches("[data-choose-all]")) {
      boxesOf(form).forEach((box) => (box.checked = event.target.checked));
    }
    if (form) countTicks();
  },
  true,
);

document.addEventListener("change", function (event) {
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
document.addEventListener("htmx:afterSwap", countTicks);
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

// What a newer tick or the next page takes the place of has not failed: nothing is said of it.
document.addEventListener("htmx:beforeSend", function (event) {
  const request = event.detail;
  const end = request.xhr.onabort;
  request.xhr.onabort = function () {
    request.error = "";
    end();
  };
});

// Also when the page comes back from the browser's own memory.
window.addEventListener("pageshow", countTicks);

// A page that is loaded anew, as its worker is done, still says what it said.
document.addEventListener("htmx:beforeOnLoad", function (event) {
  const said = document.getElementById("messages");
  if (event.detail.xhr.getResponseHeader("HX-Refresh") !== "true") return;
  if (!said || !said.firstElementChild) return;
  sessionStorage.setItem("said", JSON.stringify([location.href, said.innerHTML]));
});
document.addEventListener("DOMContentLoaded", function () {
  const [address, html] = JSON.parse(sessionStorage.getItem("said") || "[]");
  const said = document.getElementById("messages");
  sessionStorage.removeItem("said");
  if (address === location.href && said && !said.firstElementChild) said.innerHTML = html;
});

// After a form was refused, one goes on at what has to be mended.
document.addEventListener("DOMContentLoaded", function () {
  const wrong = document.querySelector("main :is(input, select, textarea)[aria-invalid=true]");
  if (wrong) wrong.focus();
});

// The bars of a chart are one stop for the keyboard: arrow keys lead from bar to bar.
document.addEventListener("keydown", function (event) {
  const bar = event.target.closest && event.target.closest("[data-arrows] .bar");
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!bar || !by) return;
  const bars = Array.from(bar.parentNode.querySelectorAll(".bar"));
  const next = bars[bars.indexOf(bar) + by];
  if (!next) return;
  event.preventDefault();
  bar.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});

// What is decided about a row opens below it, one at a time, and closes to where it was opened.
document.addEventListener("htmx:beforeSwap", function (event) {
  if (!event.detail.target.matches("[data-panel]")) return;
  document.querySelectorAll("[data-panel]").forEach((panel) => panel.replaceChildren());
});
document.addEventListener("htmx:afterSwap", function (event) {
  const panel = event.detail.target;
  const chosen = panel.matches("[data-panel]") && panel.querySelector("input:checked");
  if (chosen) chosen.focus();
});
document.addEventListener("click", function (event) {
  const cancel = event.target.closest("[data-close-panel]");
  if (!cancel) return;
  event.preventDefault();
  const panel = cancel.closest("[data-panel]");
  panel.replaceChildren();
  document.querySelector('[hx-target="#' + panel.id + '"]').focus();
});
