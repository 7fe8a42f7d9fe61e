dnl SPDX-License-Identifier: MIT
dnl ADIT_TRY_CFLAG(VARIABLE, FLAG): appends FLAG to VARIABLE when the compiler takes it.
AC_DEFUN([ADIT_TRY_CFLAG], [
	AS_VAR_PUSHDEF([cache], [adit_cv_cflag_$2])
	AC_CACHE_CHECK([whether $CC takes $2], [cache], [
		adit_saved=$CFLAGS
		CFLAGS="$CFLAGS -Werror $2"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [AS_VAR_SET([cache], [yes])],
			[AS_VAR_SET([cache], [no])])
		CFLAGS=$adit_saved])
	AS_VAR_IF([cache], [yes], [$1="$$1 $2"])
	AS_VAR_POPDEF([cache])
])

dnl ADIT_NEED(PREFIX, MODULE, DEBIAN-PACKAGE): a pkg-config module; collected when missing, so that one
dnl run of configure names them all.
AC_DEFUN([ADIT_NEED], [
	PKG_CHECK_MODULES([$1], [$2], [], [
		missing="$missing
    $2 (package $3)"
		missing_packages="$missing_packages $3"])
])

dnl ADIT_CHECK_SECP256K1: a libsecp256k1 with ElligatorSwift and Schnorr: --with-secp256k1=DIR, the copy
dnl that ./check unpacked (.deps), or the system's.
AC_DEFUN([ADIT_CHECK_SECP256K1], [
	secp256k1_how=
	AS_IF([test "x$with_secp256k1" = xcheck], [
		d="$srcdir/.deps/secp256k1/usr"
		AS_IF([test -f "$d/include/secp256k1_ellswift.h"], [with_secp256k1=`cd "$d" && pwd`])])
	AS_IF([test "x$with_secp256k1" != xcheck && test "x$with_secp256k1" != xyes], [
		SECP256K1_CFLAGS="-isystem $with_secp256k1/include"
		adit_archive=
		for f in "$with_secp256k1"/lib/libsecp256k1.a "$with_secp256k1"/lib/*/libsecp256k1.a; do
			AS_IF([test -f "$f"], [adit_archive=$f])
		done
		dnl With -l: rather than by its path, since libtool warns about archives.
		AS_IF([test -n "$adit_archive"],
			[SECP256K1_LIBS="-L`dirname "$adit_archive"` -l:libsecp256k1.a"],
			[SECP256K1_LIBS="-L$with_secp256k1/lib -lsecp256k1"])
		secp256k1_how=$SECP256K1_LIBS
	], [
		PKG_CHECK_MODULES([SECP256K1], [libsecp256k1 >= 0.4], [secp256k1_how=system], [
			missing="$missing
    libsecp256k1 >= 0.4 (package libsecp256k1-dev; Debian 12's is too old: ./check fetches a newer one)"])
	])
	AS_IF([test -n "$secp256k1_how"], [
		adit_saved_libs=$LIBS
		adit_saved_cppflags=$CPPFLAGS
		LIBS="$SECP256K1_LIBS $LIBS"
		CPPFLAGS="$CPPFLAGS $SECP256K1_CFLAGS"
		AC_CACHE_CHECK([for ElligatorSwift and Schnorr in libsecp256k1], [adit_cv_secp256k1], [
			AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <secp256k1_ellswift.h>
#include <secp256k1_schnorrsig.h>]], [[return secp256k1_ellswift_xdh == NULL || secp256k1_schnorrsig_sign32 == NULL;]])],
				[adit_cv_secp256k1=yes], [adit_cv_secp256k1=no])])
		LIBS=$adit_saved_libs
		CPPFLAGS=$adit_saved_cppflags
		AS_IF([test "$adit_cv_secp256k1" = no], [
			missing="$missing
    libsecp256k1 with the modules ellswift, extrakeys and schnorrsig"])
	])
	AC_SUBST([SECP256K1_CFLAGS])
	AC_SUBST([SECP256K1_LIBS])
])
