/** The part of jsroot (no types of its own) that the ROOT format uses. */
declare module "jsroot/io" {
  export class FileProxy {
    openFile(): Promise<boolean>;
    getFileName(): string;
    getFileSize(): number;
    readBuffer(position: number, size: number): Promise<DataView | null>;
    closeFile(): void;
  }
  export interface RootKey {
    readonly fName: string;
    readonly fCycle: number;
    readonly fClassName: string;
  }
  export interface RootDirectory {
    readonly fKeys: readonly RootKey[];
    readKeys(): Promise<RootDirectory>;
  }
  export interface RootFile extends RootDirectory {
    // biome-ignore lint/suspicious/noExplicitAny: an object of any class of the file
    readObject(name: string): Promise<any>;
    readDirectory?(name: string): Promise<RootDirectory | null>;
    delete(): void;
  }
  export function openFile(source: FileProxy | ArrayBuffer): Promise<RootFile | false>;
}
