// Keeps nothing but one page that says that the server cannot be reached: pictures and states are never kept.

const CACHE = "maskwatch-offline-1";
const OFFLINE = ["/static/offline.html", "/static/page.css", "/static/icon.svg"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(OFFLINE)));
  self.skipWaiting();
});

self.addEventListener("activate", (event) => {
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)))));
});

self.addEventListener("fetch", (event) => {
  const { mode, url } = event.request;
  if (mode === "navigate") event.respondWith(fetch(event.request).catch(() => caches.match("/static/offline.html")));
  else if (OFFLINE.includes(new URL(url).pathname)) event.respondWith(fetch(event.request).catch(() => caches.match(url)));
});
