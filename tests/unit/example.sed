# SPDX-License-Identifier: ISC
# The program in a manual page: its literal text, without mdoc's escapes.
/^\.Bd -literal$/,/^\.Ed$/ {
	/^\.[BE]d/d
	s/\\e/\\/g
	p
}
