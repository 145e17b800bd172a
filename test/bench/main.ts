/**
 * `npm run bench`: the figures that the README quotes. Ratios within one run decide; absolute
 * figures depend on the machine.
 */
import { benchLpm, benchRib } from './core.js';
import { benchDaemons } from './daemons.js';
import { benchEvent } from './event.js';
import { benchExplain } from './explain.js';
import { benchKernel } from './kernel.js';
import { benchMemory } from './memory.js';
import { benchRegistered } from './registered.js';
import { heading, save } from './report.js';
import { benchVerify } from './verify.js';

heading(`Selvage benchmarks, Node ${process.version}`);
await benchMemory();
await benchRegistered();
await benchExplain();
await benchEvent();
await benchRib();
await benchLpm();
await benchVerify();
await benchKernel();
await benchDaemons();
save();
