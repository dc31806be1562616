{
  'variables': {
    # Path of the static library, or nothing: then gzip members are made by node:zlib.
    'libdeflate%': '<!(sh find-libdeflate.sh)',
  },
  'target_defaults': {
    'cflags': ['-Wall', '-Wextra', '-fvisibility=hidden'],
    'cflags_cc': ['-std=c++17'],
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
  },
  'targets': [
    {
      'target_name': 'addon',
      'sources': [
        'src/addon.cc',
        'src/mounts.cc',
        'src/fanotify.cc',
        'src/fanotify_reader.cc',
        'src/compression.cc',
        'src/file_lock.cc',
        'src/network.cc',
        'src/overlay.cc',
        'src/unpack.cc',
        'src/signals.cc',
        'src/memory.cc',
        'src/inflate.cc',
      ],
      'include_dirs': ["<!(node -p \"require('node-addon-api').include_dir\")"],
      # A thread that is terminated takes no exception any more: without the last one, throwing there ends the process.
      'defines': [
        'NAPI_VERSION=8',
        'NAPI_CPP_EXCEPTIONS',
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags_cc': ['-fexceptions'],
      'conditions': [
        ['libdeflate!=""', {
          'defines': ['HAVE_LIBDEFLATE'],
          'libraries': ['<(libdeflate)'],
        }],
      ],
    },
    {
      'target_name': 'launcher',
      'type': 'executable',
      'sources': ['src/launcher.cc', 'src/container.cc'],
      'ldflags!': ['-rdynamic'],
    },
  ],
}
