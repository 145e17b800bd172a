/** Values by key, one or several, in the order in which they came. */
import t from 'tap';
import { Bags } from '../../src/store/fleet/bags.js';

t.test('one value, several, and one again', (t) => {
  const [a, b, c] = [{ n: 1 }, { n: 2 }, { n: 3 }];
  const bags = new Bags<string, { n: number }>();
  t.same([...bags.get('k')], []);
  bags.add('k', a);
  bags.add('k', a);
  t.same([...bags.get('k')], [a]);
  bags.add('k', b);
  bags.add('k', c);
  bags.add('other', c);
  t.same([...bags.get('k')], [a, b, c]);
  bags.delete('k', a);
  bags.delete('k', a);
  bags.delete('k', c);
  t.same([...bags.get('k')], [b], 'the last of several is left');
  bags.delete('k', a);
  t.same([...bags.get('k')], [b], 'what is not there cannot go');
  bags.delete('k', b);
  t.same([...bags.get('k')], []);
  bags.add('k', a);
  bags.clear('k');
  t.same([...bags.get('k')], []);
  t.same([...bags.get('other')], [c]);
  t.end();
});
