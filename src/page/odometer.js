/*
 * odometer.js turns the digit wheels: beside headcount.js, for blocks of class headcount-odometer, whose looks
 * are in snippet.css. It watches each number that headcount.js fills in and sets the wheels beside it; where
 * there are none, as beside a page's own words, it makes them. Without it the wheels stand as they came.
 */
(function (d) {
  function set(number) {
    var text = number.textContent, wheels = number.nextElementSibling, at, digit, tag, old, wheel;
    if (!wheels || wheels.className != 'headcount-wheels') {
      wheels = d.createElement('span');
      wheels.className = 'headcount-wheels';
      wheels.dir = 'ltr';
      wheels.setAttribute('aria-hidden', 'true');
      number.className += ' headcount-number';
      number.parentNode.insertBefore(wheels, number.nextSibling);
    }
    while (wheels.children.length > text.length) wheels.removeChild(wheels.firstChild);
    // From the right, so that a number that has become longer turns the wheels that it had.
    for (at = 1; at <= text.length; at++) {
      digit = text.charAt(text.length - at);
      tag = digit >= '0' && digit <= '9' ? 'I' : 'B';
      old = wheel = wheels.children[wheels.children.length - at];
      if (!old || old.tagName != tag) {
        wheel = d.createElement(tag);
        if (old) wheels.replaceChild(wheel, old);
        else wheels.insertBefore(wheel, wheels.firstChild);
      }
      if (wheel.getAttribute('data-digit') != digit) {
        wheel.setAttribute('data-digit', digit);
        // A wheel that is new has nothing to turn on from.
        if (wheel == old) wheel.setAttribute('data-turned', '');
      }
    }
  }

  [].forEach.call(d.querySelectorAll('.headcount-odometer [data-headcount]'), function (number) {
    new MutationObserver(function () {
      set(number);
    }).observe(number, { childList: true, characterData: true, subtree: true });
    set(number);
  });
})(document);
