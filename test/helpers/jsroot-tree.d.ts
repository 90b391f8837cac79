/** The part of jsroot's tree reader that tests use; src/formats declares its file side. */
declare module "jsroot/tree" {
  export class TSelector {
    // biome-ignore lint/suspicious/noExplicitAny: values of any branch type
    tgtobj: Record<string, any>;
    addBranch(branch: string, name: string): void;
    Process(entry: number): void;
    Terminate(result: boolean): void;
  }
  export function treeProcess(
    tree: unknown,
    selector: TSelector,
    options: { firstentry: number; numentries: number },
  ): Promise<TSelector>;
}
