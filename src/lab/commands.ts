/**
 * What the command line's `selvage lab …` does, without its parsing and printing:
 *
 *     up FILE        labUp        → Lab
 *     run            labRun       → Matrix, shown by `matrixText`; exit 1 unless `ok`
 *     down           labDown      → DownResult
 *     exec NODE …    labExec      → exit status of the program
 *     explain DST    labExplain   → exit status of route-explain
 *     set NODE …     setSwitches
 *     fault …        injectFault, clearFaults → StandingFault
 *
 * `openLab` finds a lab that another command has built; `labConfigFile` says which file it is of.
 * Everything an operator can do wrong is a `LabError` with a message that is fit to be shown.
 */
import { requireManifest } from './manifest.js';
import { defaultStateRoot, labPaths } from './names.js';

export { type DownResult, labDown } from './down.js';
export { type ExecOptions, type Place, labExec, labExplain } from './exec.js';
export { faults } from './faults/index.js';
export {
  type FaultRequest,
  type StandingFault,
  clearFaults,
  injectFault,
  standingFaults,
} from './faults/inject.js';
export { type Lab, openLab } from './lab.js';
export { listLabs } from './manifest.js';
export { type Matrix, type MatrixPair, matrixSchema } from './matrix.js';
export { matrixText } from './matrix-text.js';
export { LabError, defaultStateRoot } from './names.js';
export { type SwitchSetting, readSwitch, setSwitches } from './switches.js';
export { type Progress, type OnProgress } from './progress.js';
export { progressDisplay } from './progress-display.js';
export { type RunOptions, labRun } from './run.js';
export { type UpOptions, labUp } from './up.js';

/** The name of a lab when nobody gives one. */
export const defaultLabName = 'default';

/** Absolute path of the cluster file that a standing lab was built of. */
export function labConfigFile(lab: string, stateRoot: string = defaultStateRoot): string {
  return requireManifest(labPaths(lab, stateRoot), lab, stateRoot).configFile;
}
