/** @param pid of this machine, or of this container */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // it is there, and another user's
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
