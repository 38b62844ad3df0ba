/*
 * headcount.js, the readable side. Nobody loads this file: the daemon serves headcount.js, made from it by
 *
 *   npx terser@5 src/page/headcount.src.js --ecma 5 --compress passes=3,unsafe=true --mangle \
 *       --format ascii_only=true -o src/page/headcount.js
 *
 * ES5, ASCII, under 1,024 bytes gzipped: a test in src/page/mod.rs holds that.
 *
 *   <script defer src="https://www.example.vn/hc/headcount.js" data-site="vks"></script>
 *
 * data-site      the site that counts
 * data-hide      never insert the default block
 * data-wait      do nothing, show nothing, until headcount.start() is called
 * data-dnt       do not count browsers that send DNT or Global Privacy Control (they still see the numbers)
 * data-identity  "browser": know this browser by a random id kept in localStorage
 *
 * Numbers, and the default block, come in the language of the page around the script element: the nearest
 * `lang` attribute, its own included. A site whose language is fixed keeps to its own.
 *
 * What it does:
 * - Beacons go to `hit` beside the script itself, as simple requests: no preflight, no credentials.
 * - A reply fills every [data-headcount=KEY] and unhides it, and every [data-headcount-block]. Without a reply
 *   nothing changes, so a daemon that is blocked or down leaves the page as it was.
 * - Where no element was ever to be filled, the first reply puts the default block behind the script
 *   element and fills it from that same reply, so this very visit is in it.
 * - A view is one per URL, its fragment left out: single-page navigation counts, going nowhere does not.
 *   replaceState is a view if it changes the path; pages that clean up their query stay where they are.
 *   A page that comes back from the back-forward cache was navigated to, so that is a view.
 * - A ping goes out each minute while the tab is visible, and at once when it becomes visible again.
 * - `#headcount=off` leaves this browser out from now on, `#headcount=on` takes it back. Left out means no
 *   beacon at all: the numbers are read from the data snippet. With data-dnt, DNT and GPC do the same.
 *   Behind the address of a page that is open already it is heard too: going to a fragment is a popstate.
 * - headcount.start() begins, once. headcount.view(url) counts a URL that the address bar does not show
 *   (no argument: the one it shows), unless it was the last one counted.
 */
(function (d, n) {
  var me = d.currentScript,
    options = me.dataset,
    base = me.src.split('headcount.js')[0],
    snippet = 'snippet/' + options.site,
    from = d.referrer,
    id = '',
    running, left_out, url, last,
    placed = 'hide' in options;

  function form(kind) {
    return 's=' + options.site + '&k=' + kind + '&w=' + screen.width +
      '&u=' + encodeURIComponent(url) + '&r=' + encodeURIComponent(from) + id;
  }

  function ask(path, then, body) {
    var x = new XMLHttpRequest();
    x.open(body ? 'POST' : 'GET', base + path + '&page_lang=' + (me.closest('[lang]') || me).lang);
    x.onload = function () {
      if (x.status == 200) then(x.response);
    };
    x.send(body);
  }

  function show(text) {
    var reply = JSON.parse(text);
    d.querySelectorAll('[data-headcount],[data-headcount-block]').forEach(function (e) {
      var words = reply.text[e.dataset.headcount];
      // Putting the same words into a live region would have them read out again.
      if (words && words != e.textContent) e.textContent = words;
      e.hidden = 0;
      placed = 1;
    });
    if (placed) {
      if (reply.reason) console.warn('headcount: not counted:', reply.reason, reply.remedy);
    } else {
      placed = 1;
      ask(snippet + '.html?', function (html) {
        me.insertAdjacentHTML('afterend', html);
        show(text);
      });
    }
  }

  function send(kind) {
    last = Date.now();
    if (left_out) ask(snippet + '.json?page=' + encodeURIComponent(url), show);
    else ask('hit?', show, form(kind));
  }

  function view(u, replaces) {
    if (running) {
      try {
        var flag = d.URL.split('#headcount=')[1];
        left_out = 'dnt' in options && (n.doNotTrack == 1 || n.globalPrivacyControl) ||
          (flag || localStorage.headcount) == 'off';
        if (flag) localStorage.headcount = flag;
        // Of "address" and "browser" the latter.
        if (options.identity > 'b' && !left_out)
          id = '&i=' + (localStorage.headcount_id = localStorage.headcount_id || (Math.random() + '').slice(2));
      } catch (e) {}
      u = (u || d.URL).split('#')[0];
      if (u != url) {
        from = url || from;
        url = u;
        if (!replaces || u.split('?')[0] != from.split('?')[0]) send('view');
      }
    }
  }

  function ping() {
    if (!d.hidden) send('ping');
  }

  function start() {
    // Captured at the window, events of the document that do not bubble arrive as well.
    addEventListener('prerenderingchange', start, 1);
    addEventListener('DOMContentLoaded', start, 1);
    // Of the three states only "loading" has no eighth letter.
    if (!running && !d.prerendering && d.readyState[7]) {
      running = 1;
      ['pushState', 'replaceState'].map(function (name, replaces) {
        var was = history[name];
        history[name] = function () {
          was.apply(this, arguments);
          view(0, replaces);
        };
      });
      addEventListener('popstate', function () {
        view();
      });
      addEventListener('visibilitychange', ping, 1);
      addEventListener('pageshow', function (e) {
        if (e.persisted) send('view');
      });
      addEventListener('pagehide', function () {
        if (!left_out) n.sendBeacon(base + 'hit', form('leave') + '&d=' + (Date.now() - last));
      });
      setInterval(ping, 6e4);
      view();
    }
  }

  if (!(window.headcount || d).start) {
    headcount = { start: start, view: view };
    if (!('wait' in options)) start();
  }
})(document, navigator);
