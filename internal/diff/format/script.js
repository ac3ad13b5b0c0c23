"use strict";
(() => {
  const root = document.documentElement;
  const find = (id) => document.getElementById(id);

  // The theme: what the system has, until somebody chooses.
  const theme = find("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("zave-theme"); } catch { return null; } };
  const store = (value) => { try { localStorage.setItem("zave-theme", value); } catch { /* a file may have no storage */ } };
  const isDark = () => (root.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
  const label = () => {
    theme.textContent = isDark() ? "Light" : "Dark";
    theme.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
  };
  if (stored() === "dark" || stored() === "light") root.dataset.theme = stored();
  theme.hidden = false;
  label();
  dark.addEventListener("change", label);
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    store(root.dataset.theme);
    label();
  });

  // Links to a class open it.
  const openTarget = () => {
    const target = location.hash && find(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", openTarget);
  openTarget();

  const tools = find("tools");
  if (!tools) return;
  tools.hidden = false;
  const query = find("query"), cluster = find("cluster"), tenant = find("tenant"), found = find("found");
  const groups = [...document.querySelectorAll(".group")].map((element) => ({
    element,
    open: element.open,
    cards: [...element.querySelectorAll(".card")].map((card) => ({
      element: card,
      text: null, // read when it is first needed: a report may be large
      clusters: card.dataset.clusters.split(" "),
      tenants: card.dataset.tenants.split(" "),
    })),
  }));
  const total = groups.reduce((n, g) => n + g.cards.length, 0);
  const matches = (card, words) => {
    if (card.text === null) card.text = card.element.textContent.toLowerCase();
    return words.every((w) => card.text.includes(w));
  };
  const apply = () => {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const c = cluster ? cluster.value : "", t = tenant ? tenant.value : "";
    const filtered = words.length > 0 || c !== "" || t !== "";
    let n = 0;
    for (const group of groups) {
      let shown = 0;
      for (const card of group.cards) {
        const ok = (!c || card.clusters.includes(c)) && (!t || card.tenants.includes(t)) && matches(card, words);
        card.element.hidden = !ok;
        if (ok) shown++;
        for (const inner of card.element.querySelectorAll("details")) {
          const hit = ok && words.length > 0 && words.some((w) => inner.textContent.toLowerCase().includes(w));
          if (hit && !inner.open) { inner.open = true; inner.dataset.searched = ""; }
          if (!hit && "searched" in inner.dataset) { inner.open = false; delete inner.dataset.searched; }
        }
      }
      n += shown;
      group.element.hidden = shown === 0;
      group.element.open = filtered || group.open;
    }
    found.textContent = filtered ? n + " of " + total + " consequences" : "";
  };
  let waiting = 0;
  query.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 60); });
  for (const select of [cluster, tenant]) if (select) select.addEventListener("change", apply);
  tools.addEventListener("submit", (event) => { event.preventDefault(); apply(); });
  find("expand").addEventListener("click", (event) => {
    const all = [...document.querySelectorAll("main details")];
    const open = all.some((d) => !d.open);
    for (const d of all) d.open = open;
    for (const g of groups) g.open = open;
    event.target.textContent = open ? "Collapse all" : "Expand all";
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      query.focus();
    }
  });
})();
