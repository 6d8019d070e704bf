package cgroupfs

// appendEscaped appends a field with the octal escapes of /proc/self/mountinfo
// (mangle in fs/proc_namespace.c), so that it has no separator in it. An empty
// field, which would shift those after it, is written as the kernel writes a
// missing source: none.
func appendEscaped(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "none"...)
	}
	for i := range len(s) {
		switch c := s[i]; c {
		case ' ', '\t', '\n', '\\', '#':
			dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
