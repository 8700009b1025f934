@echo off
rem datapath.exchange: this fills a Group Policy object with the rules of mbx4.
rem Run it where Group Policy is managed, with the domain and the name of the object, a backslash between, in double quotes where there are
rem blanks. It deletes the rules of these names from the object before it makes them, so it can run again. Rules of an older plan have other
rem names: empty the object first, or delete those that begin with datapath.exchange. To take it back, unlink the object. RPC ports are not in
rem it.
rem How netsh names the object: https://learn.microsoft.com/windows/security/operating-system-security/network-security/windows-firewall/
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
if "%~1"=="" (echo Usage: role-mailbox-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
set "G=%~1"
set G| "%T%\findstr.exe" /r /x /c:"G=[A-Za-z0-9._-]*\\[A-Za-z0-9 ._-]*" >nul
if errorlevel 1 (echo Usage: role-mailbox-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set store gpo="%G%"
"%T%\netsh.exe" -f "%TEMP%\datapath-role-mailbox.netsh" || (echo DATAPATH-FAILED 1& exit /b 1)
>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall consec delete rule name="datapath.exchange ipsec admin-remote-registry 22d7b1f5"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall consec delete rule name="datapath.exchange ipsec ccr-scr-log-shipping a34e801c"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall consec delete rule name="datapath.exchange clear icmp e33a2b4c"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall mainmode delete rule name="datapath.exchange main 88f2d2ee"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange a39867a4"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange ee08c804"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange c31685f7"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange 23511246"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in client-access-mailbox-same-site ffbaf5b9"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in remote-desktop adc02d37"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in remote-desktop 769b5738"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in oab-share-pull c606dc67"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 036a3603"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in admin-remote-registry 49b47cf3"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in admin-remote-registry 5ab3b0ba"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in availability-cas-to-mailbox 4d167899"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in mapi-to-mailbox 0c1db195"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ccr-scr-seeding abb2204b"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ccr-scr-log-shipping e6e4d96d"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in hub-to-mailbox-mapi 33571b60"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in management dc5c1d8d"
"%T%\netsh.exe" -f "%TEMP%\datapath-role-mailbox.netsh" >nul 2>&1
>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in management dc5c1d8d" dir=in action=allow description="management" profile=any protocol=tcp localport=5985-5986 remoteip=192.0.2.250
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in hub-to-mailbox-mapi 33571b60" dir=in action=allow description="hub-to-mailbox-mapi recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.11
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in ccr-scr-log-shipping e6e4d96d" dir=in action=allow description="ccr-scr-log-shipping" profile=any protocol=tcp localport=445 remoteip=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.22 security=authenc
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in ccr-scr-seeding abb2204b" dir=in action=allow description="ccr-scr-seeding" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.22 security=authenc
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in mapi-to-mailbox 0c1db195" dir=in action=allow description="mapi-to-mailbox system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=198.51.100.0/26
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in availability-cas-to-mailbox 4d167899" dir=in action=allow description="availability-cas-to-mailbox recipient-update-rpc system-attendant-listener cas-to-mailbox-rpc" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.31
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in admin-remote-registry 5ab3b0ba" dir=in action=allow description="admin-remote-registry admin-remote-smb management-tools" profile=any protocol=tcp localport=445 remoteip=192.0.2.81 security=authenc
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in admin-remote-registry 49b47cf3" dir=in action=allow description="admin-remote-registry recipient-update-rpc system-attendant-listener management-tools" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.81
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 036a3603" dir=in action=allow description="recipient-update-rpc system-attendant-as-mapi-client" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.24
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in oab-share-pull c606dc67" dir=in action=allow description="oab-share-pull" profile=any protocol=tcp localport=445 remoteip=192.0.2.31
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in remote-desktop 769b5738" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.81
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in remote-desktop adc02d37" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.250
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in client-access-mailbox-same-site ffbaf5b9" dir=in action=allow description="client-access-mailbox-same-site" profile=any protocol=any remoteip=192.0.2.31
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange 23511246" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=udp localport=500,4500 remoteip=192.0.2.81
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange c31685f7" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=50 remoteip=192.0.2.81
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange ee08c804" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=udp localport=500,4500 remoteip=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.22
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange a39867a4" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=50 remoteip=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.22
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall mainmode add rule name="datapath.exchange main 88f2d2ee" description="key exchange with these peers" endpoint1=192.0.2.24 endpoint2=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.22,192.0.2.81 profile=any mmsecmethods=dhgroup14:aes256-sha256,dhgroup14:aes128-sha256 mmkeylifetime=480min,0sess auth1=computerkerb
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall consec add rule name="datapath.exchange clear icmp e33a2b4c" description="ICMP" endpoint1=192.0.2.24 endpoint2=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.22 action=noauthentication mode=transport profile=any protocol=icmpv4
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall consec add rule name="datapath.exchange ipsec ccr-scr-log-shipping a34e801c" description="ccr-scr-log-shipping ccr-scr-seeding" endpoint1=192.0.2.24 endpoint2=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.22 action=requestinrequestout mode=transport profile=any protocol=any auth1=computerkerb qmpfs=dhgroup14 qmsecmethods=esp:aesgcm256-aesgcm256+60min+10000000kb,esp:aesgcm128-aesgcm128+60min+10000000kb
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall consec add rule name="datapath.exchange ipsec admin-remote-registry 22d7b1f5" description="admin-remote-registry admin-remote-smb management-tools" endpoint1=192.0.2.24 endpoint2=192.0.2.81 action=requestinrequestout mode=transport profile=any protocol=tcp port1=445 port2=any auth1=computerkerb qmpfs=dhgroup14 qmsecmethods=esp:aesgcm256-aesgcm256+60min+10000000kb,esp:aesgcm128-aesgcm128+60min+10000000kb
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set domainprofile logging droppedconnections enable
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set domainprofile state on
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set privateprofile logging droppedconnections enable
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set privateprofile state on
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set publicprofile logging droppedconnections enable
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set publicprofile state on
"%T%\netsh.exe" -f "%TEMP%\datapath-role-mailbox.netsh"
set "CODE=%errorlevel%"
del /q "%TEMP%\datapath-role-mailbox.netsh" >nul 2>&1
if not "%CODE%"=="0" (echo DATAPATH-FAILED: some of the lines above& exit /b 1)
echo DATAPATH-DONE
exit /b 0
