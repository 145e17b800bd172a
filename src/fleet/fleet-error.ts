/** What stands in the way of a change to the fleet: the action, what is the case, what to do. */
export class FleetError extends Error {
  override readonly name = 'FleetError';
}
