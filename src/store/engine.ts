/** What an engine of a fleet's store is opened with. */
import type { StoreAccess } from './access.js';
import type { StoreAddress } from './address.js';

export interface EngineRequest {
  readonly address: StoreAddress;
  readonly access: StoreAccess;
}
