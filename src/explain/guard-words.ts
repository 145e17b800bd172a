/** The guard's rules as somebody else has left them, in one line. */
export function guardDiffers(difference: string): string {
  return `selvage's own guard is not as it should be: ${difference}`;
}
