#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void die(const char* format, ...) {
  va_list list;
  va_start(list, format);
  fputs("heart-load: ", stderr);
  vfprintf(stderr, format, list);
  fputc('\n', stderr);
  va_end(list);
  exit(1);
}

void buffer_reserve(Buffer* buffer, size_t more) {
  if (buffer->size + more <= buffer->capacity) return;
  size_t capacity = buffer->capacity ? buffer->capacity : 512;
  while (capacity < buffer->size + more) capacity *= 2;
  buffer->data = realloc(buffer->data, capacity);
  if (!buffer->data) die("out of memory");
  buffer->capacity = capacity;
}

void buffer_put(Buffer* buffer, const void* bytes, size_t size) {
  buffer_reserve(buffer, size);
  memcpy(buffer->data + buffer->size, bytes, size);
  buffer->size += size;
}

void buffer_drop(Buffer* buffer, size_t size) {
  buffer->size -= size;
  if (buffer->size) memmove(buffer->data, buffer->data + size, buffer->size);
}

static void put_byte(Buffer* out, unsigned value) {
  buffer_reserve(out, 1);
  out->data[out->size++] = (uint8_t)value;
}

static void put_big_endian(Buffer* out, uint64_t value, int bytes) {
  buffer_reserve(out, (size_t)bytes);
  for (int i = bytes - 1; i >= 0; i--) out->data[out->size++] = (uint8_t)(value >> (8 * i));
}

size_t frame_begin(Buffer* out) {
  size_t start = out->size;
  buffer_reserve(out, 4);
  out->size += 4;
  return start;
}

void frame_end(Buffer* out, size_t start) {
  uint32_t size = (uint32_t)(out->size - start - 4);
  for (int i = 0; i < 4; i++) out->data[start + (size_t)i] = (uint8_t)(size >> (24 - 8 * i));
}

void put_unsigned(Buffer* out, uint64_t value) {
  if (value < 0x80) {
    put_byte(out, (unsigned)value);
  } else if (value <= 0xff) {
    put_byte(out, 0xcc);
    put_big_endian(out, value, 1);
  } else if (value <= 0xffff) {
    put_byte(out, 0xcd);
    put_big_endian(out, value, 2);
  } else if (value <= 0xffffffffu) {
    put_byte(out, 0xce);
    put_big_endian(out, value, 4);
  } else {
    double real = (double)value;
    uint64_t bits;
    memcpy(&bits, &real, 8);
    put_byte(out, 0xcb);
    put_big_endian(out, bits, 8);
  }
}

void put_array(Buffer* out, uint32_t items) {
  if (items < 16) {
    put_byte(out, 0x90 | items);
  } else if (items <= 0xffff) {
    put_byte(out, 0xdc);
    put_big_endian(out, items, 2);
  } else {
    put_byte(out, 0xdd);
    put_big_endian(out, items, 4);
  }
}

void put_text(Buffer* out, const char* text) {
  size_t size = strlen(text);
  if (size < 32) {
    put_byte(out, 0xa0 | (unsigned)size);
  } else if (size <= 0xff) {
    put_byte(out, 0xd9);
    put_big_endian(out, size, 1);
  } else {
    put_byte(out, 0xda);
    put_big_endian(out, size, 2);
  }
  buffer_put(out, text, size);
}

size_t put_bin(Buffer* out, uint32_t size) {
  if (size <= 0xff) {
    put_byte(out, 0xc4);
    put_big_endian(out, size, 1);
  } else if (size <= 0xffff) {
    put_byte(out, 0xc5);
    put_big_endian(out, size, 2);
  } else {
    put_byte(out, 0xc6);
    put_big_endian(out, size, 4);
  }
  buffer_reserve(out, size);
  size_t at = out->size;
  out->size += size;
  return at;
}

void put_minus_one(Buffer* out) { put_byte(out, 0xff); }

uint32_t read_u32be(const uint8_t* at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static const uint8_t* take(Cursor* in, size_t size) {
  if ((size_t)(in->end - in->at) < size) die("a frame of the engine ends too soon");
  const uint8_t* at = in->at;
  in->at += size;
  return at;
}

static uint64_t big_endian(Cursor* in, int bytes) {
  const uint8_t* at = take(in, (size_t)bytes);
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
  return value;
}

uint64_t get_unsigned(Cursor* in) {
  unsigned tag = *take(in, 1);
  if (tag < 0x80) return tag;
  if (tag == 0xcc) return big_endian(in, 1);
  if (tag == 0xcd) return big_endian(in, 2);
  if (tag == 0xce) return big_endian(in, 4);
  if (tag != 0xcb) die("no unsigned number, tag 0x%02x", tag);
  uint64_t bits = big_endian(in, 8);
  double real;
  memcpy(&real, &bits, 8);
  return (uint64_t)real;
}

uint32_t get_array(Cursor* in) {
  unsigned tag = *take(in, 1);
  if ((tag & 0xf0) == 0x90) return tag & 15;
  if (tag == 0xdc) return (uint32_t)big_endian(in, 2);
  if (tag != 0xdd) die("no array, tag 0x%02x", tag);
  return (uint32_t)big_endian(in, 4);
}

const uint8_t* get_bin(Cursor* in, uint32_t* size) {
  unsigned tag = *take(in, 1);
  if (tag < 0xc4 || tag > 0xc6) die("no bin, tag 0x%02x", tag);
  *size = (uint32_t)big_endian(in, 1 << (tag - 0xc4));
  return take(in, *size);
}

void skip_value(Cursor* in) {
  unsigned tag = *take(in, 1);
  if (tag < 0x80 || tag == 0xff || tag == 0xc2 || tag == 0xc3) return;
  if ((tag & 0xe0) == 0xa0) {
    take(in, tag & 31);
  } else if (tag >= 0xcc && tag <= 0xce) {
    take(in, (size_t)1 << (tag - 0xcc));
  } else if (tag == 0xcb) {
    take(in, 8);
  } else if (tag >= 0xd9 && tag <= 0xdb) {
    take(in, big_endian(in, 1 << (tag - 0xd9)));
  } else {
    in->at--;
    if (tag >= 0xc4 && tag <= 0xc6) {
      uint32_t size;
      get_bin(in, &size);
      return;
    }
    for (uint32_t items = get_array(in); items > 0; items--) skip_value(in);
  }
}
